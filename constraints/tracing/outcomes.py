"""Apply the rule of an operation to its call, and collect what stays unknown; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from constraints.metrics import Need
from constraints.tracing.axes import View, unknown
from constraints.tracing.blended import is_blended, pieces
from constraints.tracing.calls import Operation
from constraints.tracing.cutting import cuts
from constraints.tracing.distribution import distribute
from constraints.tracing.flows import fresh, merge_flows
from constraints.tracing.maxima import are_places
from constraints.tracing.values import Call, Flow, Value, Views, join_views

if TYPE_CHECKING:
    from constraints.tracing.run import RecordedOperation

_NOT_KNOWN = "what it does to the receptive field is not known"
_PICKING = """
    sort topk kthvalue mode cummax cummin gather take scatter_reduce index_reduce segment_reduce _unique2 unique_dim
    unique_consecutive torchvision::roi_pool
"""
_PICKS = frozenset(_PICKING.split())
"""Operations without a rule that may select the largest of several elements."""


class Outcomes:
    """The results of a run's calls, with the reasons for what is unknown."""

    def __init__(self, axes: int) -> None:
        """Begin with nothing unknown; ``axes`` is the number of spatial axes of all inputs together."""
        self.reasons: dict[str, str] = {}
        """Reason why the effect of an operation is unknown -> the operation."""
        self.hidden: dict[str, Need] = {}
        """Reason -> what an unknown operation may contain."""
        self.picking: dict[str, list[int]] = {}
        """Reason why something may be a maximum over places of a map -> the numbers of the calls."""
        self._axes = axes

    def of(self, call: Call, operation: Operation | None) -> Any:
        """The result of the rule; what the rule leaves unknown is recorded with its reason."""
        if operation is None or _has_no_units(call):
            return self._not_known(call)
        call.label = operation.label
        outcome = operation.rule(call)
        if outcome is None:
            return self._not_known(call)
        if "picks" in call.tags:
            self._may_pick(call, "the larger one of neighbouring units")
        if "averages" in call.tags:
            self.hidden.setdefault(f"{call.name_and_label}: it may make an average over the whole map", "averages")
        for value in call.inputs:
            if value.parts or value.flow.poison:
                outcome = self._with_inputs(call, operation, outcome)
                break
        if isinstance(outcome, list):
            return [(self._placed(call, views), flow) for views, flow in outcome]
        if outcome[0] is call.inputs[0].views:
            return outcome
        for view in outcome[0]:
            if view is not None and (view.unknown or view.blurred):
                return self._placed(call, outcome[0]), outcome[1]
        return outcome

    def _with_inputs(self, call: Call, operation: Operation, outcome: Any) -> Any:
        """The result of the rule, with the parts that inputs were assembled from and what is unknown of the inputs."""
        if operation.apart is not None and any(v.parts and outcome[0] is not call.inputs[0].views for v in call.inputs):
            distribute(call, operation)
        if any(v.parts for v in call.inputs):
            several = outcome if isinstance(outcome, list) else [outcome]
            several = [(views, _marked(call, i, views, flow)) for i, (views, flow) in enumerate(several)]
            outcome = several if isinstance(outcome, list) else several[0]
        for value in call.inputs:
            if value.flow.poison and not (value.parts and cuts(call, value.shape)):  # a slice sees only its own parts
                return [_spread(call, o) for o in outcome] if isinstance(outcome, list) else _spread(call, outcome)
        return outcome

    def _placed(self, call: Call, views: Views) -> Views:
        """The views; where one became unknown in this call, its reason gets the names of operation and module."""
        for i, view in enumerate(views):
            if view is None or not (view.unknown or view.blurred):
                continue
            known = {why for v in call.inputs if (u := v.views[i]) is not None for why in (u.unknown, u.blurred)}
            if view.unknown and view.unknown not in known:
                why = f"{call.name_and_label}: {view.unknown}"
                self.reasons.setdefault(why, call.op)
                views = (*views[:i], view._replace(unknown=why), *views[i + 1 :])
            elif view.blurred and view.blurred not in known:
                why = f"{call.name_and_label}: {view.blurred}"
                views = (*views[:i], view._replace(blurred=why), *views[i + 1 :])
        return views

    def _not_known(self, call: Call) -> tuple[Views, Flow]:
        """The result may be any function of the inputs; an axis along which all elements see the same stays known."""
        call.label = call.op.lstrip("_")
        reason = f"{call.name_and_label}: {_NOT_KNOWN}"
        self.reasons.setdefault(reason, call.op)
        if "max_pool" in call.op:
            call.tags.add("max_pool")
        if call.op in _PICKS and _over_space(call):
            self._may_pick(call, "the maximum of a region")
        return self.of_anything([v for v in call.inputs if v.depends], reason)

    def _may_pick(self, call: Call, what: str) -> None:
        reason = f"{call.name_and_label}: it may pick {what}"
        self.hidden.setdefault(reason, "maxima")
        self.picking.setdefault(reason, []).append(call.index)

    def note_hidden(self, call: Call, recorded: RecordedOperation) -> None:
        """Record that an unknown operation may multiply its operands, if one has the number kind of its result."""
        reason = f"{call.name_and_label}: how many multiplications it takes is not known"
        if not recorded.operator.is_of_torch:
            self.hidden[reason] = "layers"
            return
        kinds = {h.kind for h in recorded.outputs} - {"truth"}
        if any(h.kind in kinds for h in recorded.inputs):
            behind = any(v.flow.heads for v in call.inputs)
            self.hidden.setdefault(reason, "linear" if behind else "products")

    def of_anything(self, data: Sequence[Value], reason: str) -> tuple[Views, Flow]:
        """The views and the flow of what may be any function of some values."""
        flow = merge_flows([v.flow for v in data])
        views = tuple(_mixed([v for value in data if (v := value.views[i])], reason) for i in range(self._axes))
        return views, fresh(flow)


def _marked(call: Call, which: int, views: Views, flow: Flow) -> Flow:
    """The flow of a result, marked where the parts of operands are not followed."""
    if is_blended(call, which, views):
        flow = flow._replace(blended=call.name_and_label)
    if lost := {(at, call.name_and_label) for at in pieces(call, which, views)}:
        flow = flow._replace(pieced=flow.pieced | lost)
        if which in call.parts:
            kept = call.parts[which]
            call.parts[which] = tuple([p._replace(flow=p.flow._replace(pieced=p.flow.pieced | lost)) for p in kept])
    return flow


def _has_no_units(call: Call) -> bool:
    """Whether an operand is empty, which no rule expects except that of concatenations."""
    for value in call.inputs:  # it runs for every operation, and a generator takes three times as long
        if 0 in value.shape:
            return call.op != "cat"
    return False


def _over_space(call: Call) -> bool:
    """Whether elements that may be several places of a map are combined."""
    axis = call.arg("dim", None) if "dim" in call.names else None
    several = [v for v in call.inputs if v.depends]
    return any(are_places(v, range(n) if axis is None else [axis % max(n, 1)]) for v in several for n in [len(v.shape)])


def _mixed(views: Sequence[View], reason: str) -> View | None:
    """What an unknown function of some tensors sees along one axis."""
    if not views:
        return None
    lost = next((v.unknown for v in views if v.unknown), "")
    if lost or any(v.digits for v in views):
        return unknown(lost or reason)
    result = join_views([(v,) for v in views])[0]
    return result._replace(pooled="mixed") if result and result.pooled else result


def _spread(call: Call, outcome: tuple[Views, Flow]) -> tuple[Views, Flow]:
    """Make unknown in the result what is unknown in an operand, whatever the rule says."""
    views, flow = outcome
    for i, view in enumerate(views):
        whys = [u.unknown for v in call.inputs if (u := v.views[i]) is not None and u.unknown and not u.pooled]
        if whys and not (view is not None and view.unknown):
            views = (*views[:i], unknown(whys[0]), *views[i + 1 :])
    return views, flow

"""Compares traces of published timm networks with gradient probes and fvcore's counts.

Run ``uv run --group bench python -m benchmarks.zoo [--quick] [--json] [NAME ...]``; each line is printed as it is
known, ``--quick`` takes up no further net after 40 seconds. Networks are built with random weights, on torch's device
without memory, and traced there at the input size that they were published with; nothing is downloaded. Three figures
are compared: params with the sum over the parameters, and, of networks of up to a billion multiply-accumulates, their
number with fvcore's count of products (attention written out, so that fvcore counts it) and the field along the width
with ``benchmarks.attention_probe``, on a strip of 64 rows that is traced too: windows of attention may hold the whole
map of one size and not that of the other.

``agreed``: every figure that could be compared is the same. ``refused``: the trace says of a figure that it is unknown,
and why. ``wrong``: a figure differs. ``-``: none but params could be compared. Exit 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import timm
import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.layers.config import set_fused_attn
from torch import nn
from torch.overrides import TorchFunctionMode

from benchmarks import attention_probe, macs
from benchmarks.attention_probe import NotComparableError
from constraints.errors import with_type
from constraints.tracer import Trace, trace

QUICK_SECONDS = 40
_ACROSS, _LONGEST = 64, 8192
_MOST_MACS = 1_000_000_000
_LINE = "{name:<32} {verdict:<8} {field:>12} {strip:>7} {probed:>7} {macs:>15} {counted:>15}  {note}"
Row = dict[str, Any]

NAMES = """
    edgenext_xx_small pvt_v2_b0 lambda_resnet26t botnet26t_256 mobilevit_xxs mobilevitv2_050 lowformer_b0
    efficientvit_b0 davit_tiny nextvit_small iformer_t bat_resnext26ts halonet26t xcit_nano_12_p16_224
    swin_tiny_patch4_window7_224 deit_tiny_patch16_224 beit_base_patch16_224 beitv2_base_patch16_224
    eca_botnext26ts_256 eca_halonext26ts lambda_resnet26rpt_256 lamhalobotnet50ts_256 sebotnet33ts_256 sehalonet33ts
    eca_resnet33ts gcresnet33ts gcresnext26ts gernet_s mobileone_s0 regnetz_b16 repvgg_a0 resnet32ts resnet50_mlp
    resnet50_clip cait_xxs24_224 coat_lite_tiny coat_tiny convit_tiny convmixer_768_32 convmixer_1024_20_ks9_p14
    convnext_atto convnext_femto_ols convnextv2_atto convnext_zepto_rms cpubone_nano cpubone_b0_bfrobust
    crossvit_9_240 crossvit_9_dagger_240 csatv2 cs3darknet_focus_s cs3edgenet_x cspresnet50 darknet17 cspnext_tiny
    deit_tiny_distilled_patch16_224 deit3_small_patch16_224 densenet121 densenetblur121d dla34
    dla46x_c dla60_res2net dpn48b dpn68 edgenext_small_rw efficientformer_l1 efficientformerv2_s0 efficientnet_b0
    efficientnet_b0_gn efficientnet_cc_b0_4e efficientnet_es efficientnet_lite0 efficientnetv2_rw_t fbnetc_100
    mnasnet_050 mobilenetv2_050 mixnet_s mobilenet_edgetpu_100 spnasnet_100 tinynet_e tf_efficientnet_b0
    tf_efficientnetv2_b0 efficientvim_m1 efficientvit_l1 efficientvit_m0 eva02_tiny_patch14_224
    vit_base_patch16_rope_224 fasternet_t0 fastvit_t8 fastvit_sa12 focalnet_tiny_srf focalnet_tiny_lrf gcvit_xxtiny
    ghostnet_050 ghostnetv2_100 ghostnetv3_050 hardcorenas_a hgnet_tiny hgnetv2_b0 hiera_tiny_224
    sam2_hiera_tiny hrnet_w18_small inception_next_atto inception_resnet_v2 inception_v3 inception_v4 lcnetv2_small
    levit_128s levit_conv_128s mambaout_femto coatnet_pico_rw_224 coatnet_nano_cc_224 coatnext_nano_rw_224
    maxvit_pico_rw_256 maxvit_rmlp_pico_rw_256 maxvit_tiny_tf_224 caformer_s18 convformer_s18 poolformer_s12
    poolformerv2_s12 gmixer_12_224 gmlp_ti16_224 mixer_s32_224 resmlp_12_224 fbnetv3_b lcnet_050
    mobilenetv3_small_050 mobilenetv3_large_075 mobilenetv4_conv_small mobilenetv4_conv_blur_medium
    mobilenetv4_hybrid_medium mobilenetv5_base mvitv2_tiny mvitv2_base_cls naflexvit_base_patch16_gap
    nest_tiny nf_regnet_b0 nf_resnet26 nfnet_l0 eca_nfnet_l0 pit_ti_224 pit_ti_distilled_224
    pvt_v2_b2_li rdnet_tiny regnetx_002 regnety_002 regnetz_005 repghostnet_050 repvit_m0_9
    res2net50_14w_8s res2next50 resnest14d resnest50d_1s4x24d resnet10t resnet18 resnet26d resnet50 resnetaa34d
    resnetblur18 ecaresnet26t seresnet18 resnext26ts resnetv2_18 resnetv2_50d_gn resnetv2_50x1_bit rexnet_100
    rexnetr_100 selecsls42 legacy_seresnet18 shvit_s1 skresnet18 starnet_s050 swiftformer_xs
    swin_s3_tiny_224 swinv2_tiny_window8_256 swinv2_cr_tiny_224 tiny_vit_5m_224 tnt_s_patch16_224 tresnet_m
    twins_pcpvt_small twins_svt_small vgg11 vgg11_bn visformer_tiny vit_tiny_patch16_224 vit_small_patch16_18x2_224
    vit_base_patch16_gap_224 vit_base_patch32_clip_224 vit_small_patch14_reg4_dinov2 vit_tiny_r_s16_p8_224
    vit_small_resnet26d_224 vit_relpos_small_patch16_224 vit_srelpos_small_patch16_224 samvit_base_patch16_224
    vitamin_small_224 volo_d1_224 ese_vovnet19b_dw eca_vovnet39b vovnet39a legacy_xception xception41
    xcit_nano_12_p8_224
"""
"""Some of the smallest networks of each of timm's families, the most difficult ones first."""


def main() -> None:
    """Print the table as it grows, and totals below it, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true", help=f"take up no further net after {QUICK_SECONDS} seconds")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # fvcore names on every net what it does not count
    torch.backends.mha.set_fastpath_enabled(False)
    set_fused_attn(enable=False)
    rows = _compared(options.names or NAMES.split(), options.quick, is_shown=not options.json)
    verdicts = Counter(row["verdict"] for row in rows)
    found = {"traced": len(rows), **{v: verdicts[v] for v in ("agreed", "refused", "wrong", "-")}}
    if options.json:
        print(json.dumps({**found, "zoo": {row["name"]: row for row in rows}}))
    else:
        print(", ".join(f"{n} {what}" for what, n in found.items()))
    sys.exit(1 if verdicts["wrong"] else 0)


def _compared(names: Sequence[str], quick: bool, is_shown: bool) -> list[Row]:
    started, rows = time.perf_counter(), list[Row]()
    if is_shown:
        print(_LINE.format(**{key: key for key in _row("", "", {})}))
    for name in names:
        if quick and time.perf_counter() - started > QUICK_SECONDS:
            break
        rows.append(_network(name))
        if is_shown:
            print(_LINE.format(**{k: "-" if v is None else str(v) for k, v in rows[-1].items()}), flush=True)
    return rows


def _network(name: str) -> Row:
    with torch.device("meta"):
        model = timm.create_model(name).eval()
    settings: Any = model.pretrained_cfg
    size: tuple[int, int, int] = settings["input_size"]
    found = trace(model, size)
    params = sum(p.numel() for p in model.parameters())
    notes = [*found.unknown.values()][:1]
    figures = {"field": found.metrics.receptive_field_hw, "macs": found.metrics.macs}
    compared = [found.metrics.params == params]
    for key, compare in (("counted", _counted), ("probed", _probed)):
        try:
            more = compare(name, model, size, found)
        except NotComparableError as reason:
            notes.append(f"{key}: {reason}")
            continue
        figures.update(more)
        compared.append(more.pop("agrees"))
    figures.pop("agrees", None)
    verdict = "wrong" if not all(compared) else "refused" if found.unknown else "agreed" if len(compared) > 1 else "-"
    return _row(name, verdict, figures, "; ".join(notes))


def _row(name: str, verdict: str, figures: dict[str, Any], note: str = "") -> Row:
    known = dict.fromkeys(("field", "strip", "probed", "macs", "counted"))
    field = "x".join(map(str, figures["field"])) if figures.get("field") else None
    return {"name": name, "verdict": verdict, **known, **figures, "field": field, "note": note}


def _counted(name: str, model: nn.Module, size: tuple[int, int, int], found: Trace) -> dict[str, Any]:
    """fvcore's count on a copy with allocated memory, which its trace needs."""
    traced = found.metrics.macs
    if traced is None:
        raise NotComparableError("the trace refuses it")
    if traced > _MOST_MACS:
        raise NotComparableError("too large to run")
    try:
        with _Unfilled():
            network = timm.create_model(name).eval()
        counted, left_out = macs.by_fvcore(network, size)
        counted -= _of_weights(network, size)
    except Exception as error:  # fvcore's trace of the model's own code
        raise NotComparableError(f"fvcore fails: {type(error).__name__}") from error
    if left_out:
        raise NotComparableError(f"fvcore leaves out {', '.join(left_out)}")
    return {"counted": counted, "agrees": counted == traced}


def _of_weights(model: nn.Module, size: tuple[int, int, int]) -> int:
    """The products of linear layers that do not depend on the input, such as those of relative positions."""
    constant: list[int] = []

    def note(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(module, nn.Linear) and not output.requires_grad:
            constant.append(output[..., 0].numel() * module.weight.numel())

    for module in model.requires_grad_(False).modules():
        module.register_forward_hook(note)
    model(torch.zeros(1, *size, requires_grad=True))
    return sum(constant)


def _probed(name: str, model: nn.Module, size: tuple[int, int, int], found: Trace) -> dict[str, Any]:
    field = found.metrics.receptive_field_hw
    if field is None:
        raise NotComparableError("the trace refuses it")
    if (found.metrics.macs or 0) > _MOST_MACS:
        raise NotComparableError("too large to run")
    if not found.metrics.global_average_pools:
        raise NotComparableError("no map is pooled globally")
    length = max(512, math.ceil(1.3 * field[1] / 256 + 1) * 256)
    build, across = _strip(name, size[1], length)
    while True:
        try:
            probed = attention_probe.probe(build, across, length, _features)
            break
        except NotComparableError as reason:
            if "clear" not in str(reason) or 2 * length > _LONGEST:
                raise
            length *= 2
    with torch.device("meta"):
        strip = trace(build((across, length)).eval(), (3, across, length)).metrics.receptive_field_hw
    if strip is None:
        raise NotComparableError("the trace refuses the strip")
    traced = strip[1]
    if traced != probed:  # other units may see more
        probed = attention_probe.probe(build, across, length, _features, has_phases=True)
    return {"strip": traced, "probed": probed, "agrees": traced == probed}


def _strip(name: str, side: int, length: int) -> tuple[attention_probe.Build, int]:
    """How to build a network that runs on strips (if possible, the same for each length), and their height."""
    failed = ""
    for options in ((), ("dynamic_img_size",), ("img_size",)):
        for across in (_ACROSS, side):
            build = partial(_built, name, options)
            try:
                with torch.device("meta"), torch.no_grad():
                    for n in (length // 2, length):
                        _features(build((across, n)).eval(), torch.zeros(1, 3, across, n))
            except Exception as error:  # the model's own code, at a size or with an option that it was not written for
                failed = failed or with_type(error, 80)
            else:
                return build, across
    raise NotComparableError(f"not at another size: {failed}")


def _built(name: str, options: Sequence[str], size: tuple[int, int]) -> nn.Module:
    given: dict[str, Any] = {option: size if option == "img_size" else True for option in options}
    with _Unfilled():
        model: nn.Module = timm.create_model(name, **given)
    return model


class _Unfilled(TorchFunctionMode):
    """Skips random weights, which take the most time, and on which no figure depends."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func`` unless it fills a tensor with random numbers."""
        if getattr(func, "__name__", "") in ("uniform_", "normal_", "trunc_normal_", "erfinv_"):
            tensor: torch.Tensor = args[0] if args else (kwargs or {})["tensor"]
            with torch.no_grad():
                return tensor.zero_()
        return func(*args, **(kwargs or {}))


def _features(model: Any, sample: torch.Tensor) -> torch.Tensor:
    """The input of timm's last pooling layer, or else the result of ``forward_features``, as (1, c, h, w)."""
    pooled: list[torch.Tensor] = []
    pools = [m for m in model.modules() if isinstance(m, SelectAdaptivePool2d) and m.pool_type]
    out = model.forward_features(sample)
    hooks = [m.register_forward_pre_hook(lambda _, args: pooled.append(args[0])) for m in pools]
    try:
        model.forward_head(out)
    finally:
        for hook in hooks:
            hook.remove()
    return _as_map(pooled[-1] if pooled else out, sample, model)


def _as_map(out: Any, sample: torch.Tensor, model: Any) -> torch.Tensor:
    height, width = sample.shape[2:]
    if isinstance(out, torch.Tensor) and out.dim() == 4:  # batch, channels, height, width
        return out if out.shape[1] == model.num_features or out.shape[3] != model.num_features else out.movedim(3, 1)
    if isinstance(out, torch.Tensor) and out.dim() == 3:  # batch, tokens, channels
        n = out.shape[1] - getattr(model, "num_prefix_tokens", 0)
        patch = next((p for p in range(1, height + 1) if (height // p) * (width // p) == n), None)
        if patch is not None:
            return out[:, -n:].mT.reshape(1, -1, height // patch, width // patch)
    raise NotComparableError("its features are no map")


if __name__ == "__main__":
    main()

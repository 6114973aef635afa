"""Start-up hook of the CPU build of vLLM: declares two operators before torchvision is imported.

The package index has torchvision only with operators compiled for CUDA, which do not load beside a CPU build of torch.
Qwen3-VL needs none of them, but torchvision refuses to be imported while their schemas are missing.
"""

from __future__ import annotations

import importlib.abc
import sys


class _DeclareOperators(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define("torchvision::nms", schema)
            torch.library.define("torchvision::qnms", schema)


sys.meta_path.insert(0, _DeclareOperators())

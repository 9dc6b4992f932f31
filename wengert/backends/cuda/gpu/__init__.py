"""GPUs as CUDA devices, through CuPy and cublasLt."""

from wengert.backends.cuda.gpu.device import GpuDevice, current_device

__all__ = ["GpuDevice", "current_device"]

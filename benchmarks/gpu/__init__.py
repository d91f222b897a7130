"""The parts of `benchmarks/gpu_kit.sh`: what to run first wherever a GPU is at hand."""

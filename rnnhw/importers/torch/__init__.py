"""PyTorch's files without PyTorch: exported programs, checkpoints and safetensors."""

"""From patches to embeddings: backbones, run by ONNX Runtime or torch. [core]"""

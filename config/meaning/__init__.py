"""The sentence-embedding model behind the extra `semantic`: all-MiniLM-L6-v2, run by onnxruntime."""

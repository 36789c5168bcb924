"""Knowledge beyond the labels: word vectors and sentence encoders."""

from .encoders import embed_texts, fast_dtype, load_encoder
from .vector_sources import open_source
from .vector_vocabulary import VectorVocabulary, read_vocabulary
from .vectors import train_vectors

__all__ = [
    "VectorVocabulary",
    "embed_texts",
    "fast_dtype",
    "load_encoder",
    "open_source",
    "read_vocabulary",
    "train_vectors",
]

"""Knowledge beyond the labels: word vectors and soft labels from teachers."""

from .teacher_kinds import Task, find_teacher
from .teachers import SOFT_LABELS_FILE, label_with_teachers
from .vector_vocabulary import VectorVocabulary, read_vocabulary
from .vectors import train_vectors

__all__ = [
    "SOFT_LABELS_FILE",
    "Task",
    "VectorVocabulary",
    "find_teacher",
    "label_with_teachers",
    "read_vocabulary",
    "train_vectors",
]

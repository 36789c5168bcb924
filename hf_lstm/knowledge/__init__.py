"""Knowledge beyond the labels: word vectors and soft labels from teachers."""

from .fitted_teachers import Teacher
from .teacher_check import check_teachers
from .teacher_kinds import find_teacher
from .teacher_labels import parse_teacher_labels
from .teachers import SOFT_LABELS_FILE, label_with_teachers
from .vector_vocabulary import VectorVocabulary, read_vocabulary
from .vectors import train_vectors

__all__ = [
    "SOFT_LABELS_FILE",
    "Teacher",
    "VectorVocabulary",
    "check_teachers",
    "find_teacher",
    "label_with_teachers",
    "parse_teacher_labels",
    "read_vocabulary",
    "train_vectors",
]

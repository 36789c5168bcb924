"""Soft labels from teachers: fitted models, files, any classifier, sentence encoders and functions."""

from .arguments import TeacherArguments
from .fitted_teachers import Task, Teacher
from .soft_labels import SOFT_LABELS_FILE, label_with_teachers, on_first_process
from .teacher_check import check_teachers
from .teacher_kinds import find_teacher

__all__ = [
    "SOFT_LABELS_FILE",
    "Task",
    "Teacher",
    "TeacherArguments",
    "check_teachers",
    "find_teacher",
    "label_with_teachers",
    "on_first_process",
]

"""Convert options by name to dataclasses of arguments, format a Python call, name data and output folders."""

import os
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from types import FunctionType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from transformers.hf_argparser import string_to_bool
from transformers.utils import CONFIG_NAME

from ..data import is_data_file
from ..messages import plain_number

# Names of the types in error messages.
KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def build_arguments(groups: Sequence[type], options: Mapping[str, Any], source: str) -> tuple[Any, ...]:
    """
    Create one dataclass of each group from options, which are converted to the types of the fields and checked.

    YAML reads `3e-3` as text and `no` as false; both are converted. `None` stands for the default of a field that does
    not accept `None`. Paths become text, with `~/` replaced by the home folder.

    Args:
        groups: Dataclasses of arguments. No name occurs in two of them.
        options: Value of each option by name.
        source: Function or file with the options, for the error message.

    Returns:
        One instance of each group, in the same order.

    Raises:
        TypeError: An option does not exist; the message suggests the closest one.
        ValueError: The value of an option has the wrong type, or is not one of the values that it accepts.
    """
    names = {field.name for group in groups for field in fields(group) if field.init}
    for name in options:
        if name not in names:
            close = get_close_matches(str(name), sorted(names), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{source} has no option {name!r}{hint}")
    return tuple(group(**_convert_options(group, options)) for group in groups)


def arguments_from_call(
    groups: Sequence[type], data: Any, output_dir: str | Path | None, options: Mapping[str, Any], function: str
) -> tuple[str, tuple[Any, ...]]:
    """
    Convert the arguments of a Python call to dataclasses, and format the call.

    Args:
        groups: Dataclasses of arguments, with the fields `dataset` and `output_dir`.
        data: First argument of the call, which replaces the option `dataset`.
        output_dir: Folder to write to, or `None` for the default.
        options: Value of each option by name.
        function: Name of the function that was called.

    Returns:
        The call, for the model card, and one instance of each group.

    Raises:
        TypeError: An option does not exist, or both `data` and the option `dataset` were given.
        ValueError: The value of an option is not one of the values that it accepts.
    """
    if data is not None and options.get("dataset") is not None:
        raise TypeError(f"{function}() got both `data` and `dataset`; remove one of them.")
    folder = {} if output_dir is None else {"output_dir": str(output_dir)}
    return format_call(function, data, options), build_arguments(groups, {**options, **folder}, f"{function}()")


def _convert_options(group: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are fields of a dataclass, converted and checked."""
    annotations = get_type_hints(group)
    converted = {}
    for field in fields(group):
        if field.name in options:
            kinds = _accepted_types(annotations[field.name])
            value = _convert(field.name, options[field.name], kinds)
            _check_choice(field, annotations[field.name], value)
            if value is not None or type(None) in kinds:
                converted[field.name] = value
    return converted


def _members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _accepted_types(annotation: Any) -> set[Any]:
    """Return the types of an annotation without their parameters, such as {list, NoneType} for `list[str] | None`."""
    kinds = set()
    for member in _members(annotation):
        if get_origin(member) is Literal:
            kinds |= {type(choice) for choice in get_args(member)}
        else:
            kinds.add(get_origin(member) or member)
    return kinds


def _convert(name: str, value: Any, kinds: set[Any]) -> Any:
    """Return a value as one of the accepted types. Data in memory and objects of libraries are returned unchanged."""
    if isinstance(value, Path):
        value = str(value)
    if str not in kinds and list not in kinds:
        for kind in (bool, int, float):
            if kind in kinds and value is not None:
                return _convert_number(name, value, kind)
        return value
    if isinstance(value, str):
        return os.path.expanduser(value) if value.startswith("~/") else value
    if value is False and bool not in kinds:
        return "no"
    if isinstance(value, Real) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list | tuple) and list in kinds:
        return [_convert(name, item, {str, bool}) for item in value]
    is_mapping = type(value) is dict and dict not in kinds and all(isinstance(item, str) for item in value.values())
    if isinstance(value, list | tuple) or is_mapping:
        raise ValueError(f"`{name}` must be one value, got {value!r}.")
    return value


def _convert_number(name: str, value: Any, kind: type) -> Any:
    """Return a value as a Boolean, integer or float, or raise an error if it is not one."""
    try:
        if kind is bool:
            return string_to_bool(str(value))
        if isinstance(value, bool) or not isinstance(value, Real | str):
            raise ValueError
        if isinstance(value, int):
            return value
        number = float(value)
        if kind is int and not number.is_integer():
            raise ValueError
        return kind(number)
    except (ValueError, OverflowError, ArgumentTypeError):
        raise ValueError(f"`{name}` must be {KINDS[kind]}, got {value!r}.") from None


def _check_choice(field: Field, annotation: Any, value: Any) -> None:
    """Raise an error if an option whose field lists its values has another one; dataclasses do not check this."""
    choices = list(field.metadata.get("choices", ()))
    members = [member for member in _members(annotation) if member is not type(None)]
    if all(get_origin(member) is Literal for member in members):
        choices += [choice for member in members for choice in get_args(member)]
    if choices and value is not None and value not in choices:
        raise ValueError(f"`{field.name}` must be one of {', '.join(map(repr, choices))}, got {value!r}.")


def format_call(function: str, data: Any, options: Mapping[str, Any]) -> str:
    """
    Return the Python call of a training, for the model card.

    Args:
        function: Name of the function.
        data: Its first argument; data in memory is shown as its type.
        options: Its keyword options; a token is not shown.
    """
    shown = [] if data is None else [_format_value(data)]
    shown += [f"{name}={_format_value('***' if name.endswith('token') else value)}" for name, value in options.items()]
    return f"{function}({', '.join(shown)})"


def _format_value(value: Any) -> str:
    """Return the source text of a plain value, path or function, and the type of other objects in angle brackets."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_format_value, value))}]"
    if isinstance(value, FunctionType):
        return value.__name__
    value = plain_number(value)
    return repr(value) if isinstance(value, str | int | float | bool | dict | None) else f"<{type(value).__name__}>"


def name_dataset(data: Any) -> tuple[str, bool]:
    """Return the path, Hub id or type of data, for the model card, and whether it is a Hub id."""
    on_hub = isinstance(data, str) and not Path(data).exists()
    return str(data) if isinstance(data, str | Path) else name_of(data), on_hub


def name_of(data: Any) -> str:
    """
    Return the name of data, for the output folder and the model card.

    Args:
        data: Data as in [`run_training`].

    Returns:
        The name of a file without its suffixes, such as "reviews" for "reviews.csv.gz", the last part of a folder or
        Hub id, or the type of data in memory.
    """
    if data is None:
        return "sample_reviews"
    if not isinstance(data, str | Path):
        return type(data).__name__.lower()
    path = Path(data)
    if path.is_dir():
        return path.resolve().name  # "." has no name
    while is_data_file(str(path)):
        path = path.with_suffix("")
    return path.name


def announce_replacement(folder: str) -> None:
    """Print that a training will replace a model, if there is one in its output folder."""
    if (Path(folder) / CONFIG_NAME).is_file():
        print(
            f"{folder} has an earlier model, which this training will replace; choose another --output_dir to keep it."
        )


def audit_folder(data: Any) -> str:
    """Return the default folder of an audit of data as in [`run_training`]."""
    return f"runs/{name_of(data)}-audit"

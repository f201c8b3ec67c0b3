"""Prints the settings of the real Prefect as JSON, by the tables of `crates/jobplate-prefect/src/worker/settings/`.

Each row is the setting's name without PREFECT_, whether it is a group, whether Prefect treats it as a secret, and its
former names.
"""

import json


def variables(field):
    """Returns the variables that a field is read from, in order of priority; none if only its own name is read."""
    alias = field.validation_alias
    choices = getattr(alias, "choices", [alias] if alias else [])
    return [choice.upper() for choice in choices if isinstance(choice, str)]


def rows_of_model(model):
    """Yields a row for each field of a Prefect 3 model and of the models nested in it."""
    from prefect.settings.base import PrefectBaseSettings

    for key, field in model.model_fields.items():
        name = f"{model.model_config['env_prefix']}{key}".upper()
        annotation = field.annotation
        is_group = isinstance(annotation, type) and issubclass(annotation, PrefectBaseSettings)
        yield [name, is_group, "SecretStr" in str(annotation), [own for own in variables(field) if own != name]]
        if is_group:
            yield from rows_of_model(annotation)


def tables():
    """Returns the tables of the installed version of Prefect by their names."""
    try:
        from prefect.settings.base import PrefectBaseSettings  # noqa: F401
    except ImportError:
        from prefect.settings import SETTING_VARIABLES

        return {"prefect2": [[name, False, own.is_secret, []] for name, own in SETTING_VARIABLES.items()]}
    from prefect.settings import Settings
    from prefect_kubernetes.settings import KubernetesSettings

    return {"prefect3": list(rows_of_model(Settings)), "kubernetes": list(rows_of_model(KubernetesSettings))}


found = {table: [[own.removeprefix("PREFECT_"), *others] for own, *others in rows] for table, rows in tables().items()}
for rows in found.values():
    for row in rows:
        row[3] = [name.removeprefix("PREFECT_") for name in row[3]]
print(json.dumps(found))

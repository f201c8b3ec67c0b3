"""The settings of the real Prefect, as the tables of `crates/jobplate-prefect/src/worker/settings/` have them, in JSON.

Of each table the lines in their order: the name without PREFECT_, whether it is a group, whether Prefect takes it for a
secret, and the names that it had before.
"""

import json


def names(field):
    """The variables that a field is read from, the first one first; none where its name alone says."""
    alias = field.validation_alias
    choices = getattr(alias, "choices", [alias] if alias else [])
    return [choice.upper() for choice in choices if isinstance(choice, str)]


def of_models(model):
    """The fields of a model of Prefect 3, and of those in it."""
    from prefect.settings.base import PrefectBaseSettings

    for key, field in model.model_fields.items():
        name = f"{model.model_config['env_prefix']}{key}".upper()
        kind = field.annotation
        is_group = isinstance(kind, type) and issubclass(kind, PrefectBaseSettings)
        yield [name, is_group, "SecretStr" in str(kind), [own for own in names(field) if own != name]]
        if is_group:
            yield from of_models(kind)


def tables():
    try:
        from prefect.settings.base import PrefectBaseSettings  # noqa: F401
    except ImportError:
        from prefect.settings import SETTING_VARIABLES

        return {"prefect2.txt": [[name, False, own.is_secret, []] for name, own in SETTING_VARIABLES.items()]}
    from prefect.settings import Settings
    from prefect_kubernetes.settings import KubernetesSettings

    return {"table.txt": list(of_models(Settings)), "kubernetes.txt": list(of_models(KubernetesSettings))}


found = {table: [[own.removeprefix("PREFECT_"), *others] for own, *others in lines] for table, lines in tables().items()}
for lines in found.values():
    for line in lines:
        line[3] = [name.removeprefix("PREFECT_") for name in line[3]]
print(json.dumps(found))

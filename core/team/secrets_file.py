"""What Streamlit's own sign-in has to be told, as its file of secrets wants it."""

import json

from core.team.settings import COOKIE_SECRET, OIDC_SECRET, Configuration

CALLBACK = "/oauth2callback"
"""Where the provider sends people back to; the provider has to know the whole address."""


def secrets_text(configuration: Configuration) -> str:
    """TOML of the section [auth]; "" in every mode but "oidc". Belongs in a file that its owner alone can read.

    InputError where a secret is not in the environment.
    """
    if configuration.mode != "oidc":
        return ""
    given = {
        "redirect_uri": configuration.public_url + CALLBACK,
        "cookie_secret": configuration.secret(COOKIE_SECRET),
        "client_id": configuration.oidc["client_id"],
        "client_secret": configuration.secret(OIDC_SECRET),
        "server_metadata_url": configuration.oidc["metadata_url"],
    }
    lines = ["[auth]", *(f"{key} = {json.dumps(value)}" for key, value in given.items())]
    return "\n".join(
        [*lines, f"client_kwargs = {{ scope = {json.dumps(' '.join(configuration.oidc['scopes']))} }}", ""]
    )

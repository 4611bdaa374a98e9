"""Options: the command line before the environment before defaults, and sentences for what cannot be."""

import pytest

from gpt.ui.host.host_options import read_options


def refused(capsys, arguments, environment=None) -> str:
    with pytest.raises(SystemExit) as ended:
        read_options(arguments, environment or {})
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_by_default_only_this_machine_is_served():
    options = read_options([], {})
    assert (options.model, options.host, options.port, options.public) == ("", "127.0.0.1", None, False)
    assert (options.allowed_hosts, options.trust_proxy, options.root_path) == ((), False, "")
    assert (options.hub_models, options.allow_training, options.allow_measuring) == (None, True, True)
    assert (options.session_minutes, options.max_tokens, options.max_seconds) == (60, 1_000, None)
    assert (options.start_link, options.open, options.mcp) == ("", False, False)
    # Any port of this machine may frame the page, nobody else.
    assert set(options.frame_ancestors.split()) == {"'self'"} | {
        f"{scheme}://{name}:*" for scheme in ("http", "https") for name in ("localhost", "127.0.0.1")
    }


@pytest.mark.parametrize("arguments", [["--host", "0.0.0.0"], ["--host", "192.168.0.1"], ["--public"]])
def test_a_host_for_strangers(arguments):
    options = read_options(arguments, {})
    assert options.public
    assert (options.hub_models, options.allow_training, options.allow_measuring) == ((), False, False)
    assert (options.max_seconds, options.frame_ancestors, options.trust_proxy) == (120, "'self'", False)


def test_another_address_need_not_be_public():
    assert not read_options(["--host", "0.0.0.0", "--no-public"], {}).public


def test_a_space():
    given = {"SYSTEM": "spaces", "SPACE_HOST": "Me-GPT.hf.space", "GRADIO_SERVER_NAME": "0.0.0.0"}
    options = read_options([], given | {"GRADIO_SERVER_PORT": "7861"})
    assert (options.host, options.port, options.public, options.trust_proxy) == ("0.0.0.0", 7861, True, False)
    assert options.space_host == "me-gpt.hf.space"
    assert "me-gpt.hf.space" in options.allowed_hosts
    assert options.hub_models == ("gpt2-124M",)
    assert "https://huggingface.co" in options.frame_ancestors
    assert read_options([], {"SPACE_HOST": "me-gpt.hf.space"}).space_host == ""


EVERY = {
    "model": ("gpt2-124M", "gpt2-124M"),
    "host": ("::1", "::1"),
    "port": ("7900", 7900),
    "public": ("yes", True),
    "allowed_hosts": ("a.example, B.example", ("a.example", "b.example")),
    "trust_proxy": ("1", True),
    "root_path": ("/gpt/", "/gpt"),
    "frame_ancestors": ("'self', https://*.example.org:8443 http://localhost:*", None),
    "hub_models": ("gpt2-124M,me/mine", ("gpt2-124M", "me/mine")),
    "allow_training": ("off", False),
    "allow_measuring": ("false", False),
    "session_minutes": ("0.5", 0.5),
    "max_tokens": ("300", 300),
    "max_seconds": ("30", 30.0),
    "start_link": ("http://localhost:7860/?tab=layernorm#p=x", "?tab=layernorm#p=x"),
    "open": ("on", True),
    "mcp": ("true", True),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_option_is_in_the_environment_too_and_the_command_line_comes_first(name):
    text, value = EVERY[name]
    if name == "frame_ancestors":
        value = "'self' https://*.example.org:8443 http://localhost:*"
    assert getattr(read_options([], {f"EXPLORER_{name.upper()}": text}), name) == value
    option = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        typed, other = [option if value else f"--no-{option[2:]}"], "0" if value else "1"
    else:
        typed, other = [option, text], {"host": "127.0.0.2", "port": "1"}.get(name, "?other" if "link" in name else "9")
        other = {"root_path": "/other", "frame_ancestors": "'none'"}.get(name, other)
    assert getattr(read_options(typed, {f"EXPLORER_{name.upper()}": other}), name) == value


def test_the_list_of_options_is_complete():
    fields = set(read_options([], {}).__dataclass_fields__)
    assert fields == set(EVERY) | {"space_host"}


def test_what_hub_models_and_seconds_without_a_limit_are_called():
    assert read_options(["--hub-models", "any", "--public"], {}).hub_models is None
    assert read_options(["--hub-models", "none"], {}).hub_models == ()
    assert read_options(["--max-seconds", "0", "--public"], {}).max_seconds is None


@pytest.mark.parametrize(
    ("option", "values"),
    {
        "port": ["0", "65536", "99999", "-1", "x", "7860.5", "٣"],
        "public": ["maybe", "2"],
        "allowed-hosts": ["https://a.example", "a.example:80", "a b"],
        "root-path": ["gpt", "/g p t", "//evil.example", "http://x/y"],
        "frame-ancestors": ["; script-src *", "https://a b;c"],
        "session-minutes": ["0", "-1", "nan", "inf", "x"],
        "max-tokens": ["0", "1.5", "-3"],
        "max-seconds": ["-1", "nan", "x"],
        "start-link": ["layernorm", "?a b"],
        "mcp": ["perhaps"],
    }.items(),
)
def test_what_cannot_be_gets_one_sentence_that_names_it(capsys, option, values):
    for value in values:
        said = refused(capsys, [], {f"EXPLORER_{option.upper().replace('-', '_')}": value})
        assert said.startswith("The GPT-2 explorer could not start. --")
        assert said.count("\n") == 1
        assert f"--{option}" in said
        assert repr(value) in said
        if option not in {"public", "mcp"}:
            assert refused(capsys, [f"--{option}={value}"]) == said


def test_help_names_every_option_and_its_place_in_the_environment(capsys):
    with pytest.raises(SystemExit):
        read_options(["--help"], {})
    said = " ".join(capsys.readouterr().out.split())
    for name in EVERY:
        assert f"--{name.replace('_', '-')}" in said
        assert f"EXPLORER_{name.upper()}" in said

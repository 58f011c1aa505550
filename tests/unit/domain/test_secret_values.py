import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.secret_values import MASK, looks_secret, masked

SECRET = """
PASSWORD password DB_PASSWORD dbPassword MYSQL_PWD PGPASSWORD HF_TOKEN hfToken HUGGING_FACE_HUB_TOKEN GITHUB_PAT API_KEY
apiKey APIKEY OPENAI_API_KEY WANDB_API_KEY AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SESSION_TOKEN SSH_PRIVATE_KEY
PrivateKey AZURE_STORAGE_ACCOUNT_KEY CLIENT_SECRET client-secret registry.credentials REGISTRY_AUTH BASIC_AUTH JWT
SESSION_COOKIE GPG_PASSPHRASE sshkey SAS_KEY NGC_API_KEY secretsauce2 MY_CREDS
DB_PASS MYSQL_PASS SMTP_PASS SSHPASS dbPass OPENAI_KEY AWS_KEY AZURE_STORAGE_KEY GPG_KEY openaiKey WANDB_KEY_2
SENTRY_DSN DATABASE_URL MONGO_URI REDIS_URL SLACK_WEBHOOK SLACK_WEBHOOK_URL CONNECTION_STRING
connectionString DB_CONN_STR
"""
PLAIN = """
CHECK_DISK NODE_NAME PATH LD_LIBRARY_PATH NCCL_DEBUG CUDA_VISIBLE_DEVICES MASTER_ADDR MASTER_PORT KEY_COUNT AUTHOR
KEYBOARD MONKEY TIMEOUT PATTERN OMP_NUM_THREADS SPINNER COMPATIBLE HTTP_PROXY LOG_LEVEL RANK
PASSES COMPASS BYPASS_CACHE KEY KEYS SORT_KEY PUBLIC_KEY BASE_URL CALLBACK_URI CONNECTIONS
"""

env_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]*", fullmatch=True)


@pytest.mark.parametrize("name", SECRET.split())
def test_a_name_that_speaks_of_a_secret_is_one(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", PLAIN.split())
def test_a_name_that_does_not_is_none(name: str) -> None:
    assert not looks_secret(name)


@given(env_names)
def test_a_name_all_in_capitals_is_what_it_is_in_small_letters(name: str) -> None:
    assert looks_secret(name.upper()) == looks_secret(name.lower())


@given(st.sampled_from(["PASSWORD", "TOKEN", "SECRET", "CREDENTIAL"]), env_names, env_names)
def test_a_secret_stays_one_whatever_stands_around_it(word: str, before: str, after: str) -> None:
    assert looks_secret(f"{before}_{word}_{after}")
    assert looks_secret(f"{before}{word}{after}".lower())


@given(st.dictionaries(env_names, st.text()))
def test_masking_keeps_every_name_and_every_plain_value(env: dict[str, str]) -> None:
    shown = masked(env)
    assert shown.keys() == env.keys()
    assert all(
        shown[name] == (MASK if looks_secret(name) else value) for name, value in env.items() if "://" not in value
    )


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://ops:hunter2@db.example.com/records",
        "redis://:hunter2@cache:6379/0",
        "http://proxy-user:p/ss@proxy.example.com:3128",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "-----BEGIN PRIVATE KEY-----\nMIIE",
        "ghp_" + "a1B2" * 9,
        "glpat-" + "a1B2" * 5,
        "hf_" + "aBcD" * 9,
        "clone with github_pat_" + "a1B2" * 9,
        "eyJhbGciOiJSUzI1NiIs.eyJzdWIiOiJ4In0.c2ln",
        "Server=db;User Id=sa;Password=hunter2;",
        '{"user": "x", "password": "hunter2"}',
        "Authorization: Bearer abcdefgh1234",
        "AccountName=x;AccountKey=aGVsbG8=;EndpointSuffix=core",
        "bearer abcdefgh12345678",
        "eyJ" * 200,  # too many places to look at each
        "curl --password hunter2 https://example.com",
    ],
)
def test_a_value_that_holds_a_password_is_masked_whatever_its_name(value: str) -> None:
    assert masked({"HTTP_PROXY": value}) == {"HTTP_PROXY": MASK}


@pytest.mark.parametrize(
    "value",
    [
        *("http://proxy.example.com:3128", "ssh://git@example.com/x", "a:b@c", "https://example.com/@scope", "12:30"),
        *(
            "hf_hub",
            "sk-learn",
            "a secret: ",
            "basic training",
            "the token ring",
            "--password-file",
            "npm_config_cache",
        ),
    ],
)
def test_a_value_that_holds_none_is_shown(value: str) -> None:
    assert masked({"HTTP_PROXY": value}) == {"HTTP_PROXY": value}

"""Secrets masked, and what only looks like one left alone. All values are made up for these tests."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mail import parse_mail
from ingest.masking import mask_message, mask_secrets

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB\n" * 5
FORTY = "wJalrXUtnFEMI7K7MDENGbPxRfiCYEXAMPLEKEY1"
SECRETS = [
    ("ghp_" + "a1B2" * 9, "GitHub token"),
    ("github_pat_" + "a1B2_" * 12, "GitHub token"),
    ("glpat-" + "a1B2c3D4" * 3, "GitLab token"),
    ("hf_" + "aBcDeFgH" * 4 + "ab", "Hugging Face token"),
    ("AKIA" + "ABCD1234" * 2, "AWS access key"),
    ("xoxb-" + "123456789012-abcDEF", "Slack token"),
    ("xapp-1-" + "A0123456789-abc", "Slack token"),
    ("AIza" + "aB3_-" * 7, "Google key"),
    ("sk-proj-" + "a1B2c3" * 6, "API key"),
    ("nvapi-" + "a1B2c3D4" * 8, "NVIDIA key"),
    ("npm_" + "a1B2" * 9, "package registry token"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbU", "signed token"),
]
SENTENCES = [
    ("password: hunter2", "hunter2"),
    ("Password = hunter", "hunter"),
    ("my password is Tr0ub4dor&3 and it fails", "Tr0ub4dor&3"),
    ("Passwort: geheim123", "geheim123"),
    ("Das Kennwort ist Kx9!pq", "Kx9!pq"),
    ("mot de passe : Azerty12!", "Azerty12!"),
    ("contraseña: clave_99", "clave_99"),
    ("senha: abacaxi7", "abacaxi7"),
    ("wachtwoord: fiets4u", "fiets4u"),
    ("hasło: zamek12", "zamek12"),
    ("export PGPASSWORD='s3cr3tpw'", "s3cr3tpw"),
    (f"aws_secret_access_key = {FORTY}", FORTY),
    ("export WANDB_API_KEY=0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
    ('"hf_token": "abcd1234efgh"', "abcd1234efgh"),
    ("git clone https://ada:p4ssw0rd@example.org/r.git", "p4ssw0rd"),
    ("curl -H 'Authorization: Bearer abcdef123456789.xyz' x", "abcdef123456789"),
    ("curl -u ada:s3cretpw https://example.org", "s3cretpw"),
    ("sshpass -p hunter22 ssh login1", "hunter22"),
    ("wandb login 0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
    ("python x.py --token abcd1234 --lr 1", "abcd1234"),
    ("machine x login ada password hunter2", "hunter2"),
    ("passphrase=correcthorse", "correcthorse"),
]


@pytest.mark.parametrize(("secret", "kind"), SECRETS)
@pytest.mark.parametrize("frame", ["{}", "token {} here", "export X={}", '"{}",', "> {}\n", "https://x.org/?k={}&b=1"])
def test_tokens_are_known_by_their_form(secret: str, kind: str, frame: str) -> None:
    masked = mask_secrets(frame.format(secret))
    assert secret not in masked.text
    assert kind in masked.kinds and f"[{kind} removed]" in masked.text


@pytest.mark.parametrize(("sentence", "secret"), SENTENCES)
def test_values_given_to_a_secret_name_are_masked(sentence: str, secret: str) -> None:
    masked = mask_secrets(f"Hello,\n{sentence}\nbye")
    assert secret not in masked.text
    assert masked.kinds and masked.text.startswith("Hello,\n") and masked.text.endswith("\nbye")


@pytest.mark.parametrize("end", ["-----END OPENSSH PRIVATE KEY-----", "", "\nIs this key right?"])
def test_private_keys_are_masked_and_line_numbers_stay(end: str) -> None:
    text = f"first\n{KEY}{end}\nlast words"
    masked = mask_secrets(text)
    assert "b3Blbn" not in masked.text and masked.kinds == ("private key",)
    assert masked.text.count("\n") == text.count("\n")
    assert masked.text.startswith("first\n[private key removed]") and masked.text.endswith("last words")
    assert ("Is this key right?" in masked.text) == ("Is this" in end)


def test_a_quoted_private_key_is_masked() -> None:
    quoted = "\n".join(f"> {line}" for line in (KEY + "-----END OPENSSH PRIVATE KEY-----").splitlines())
    assert "b3Blbn" not in mask_secrets(quoted).text


@pytest.mark.parametrize(
    "text",
    [
        "My password does not work and the password is not accepted.",
        "Password: does not work since Monday",
        "Passwort: wird abgelehnt",
        "I forgot my password. Is it possible to reset?",
        "export HF_TOKEN=$MY_TOKEN\nexport WANDB_API_KEY=${KEY}\nexport A_TOKEN=<your token>",
        "hf_token=os.environ['HF_TOKEN'], api_key=args.api_key, password=getpass()",
        "api_key=your_key_here\npassword: ********\nsecret=xxxxxxxx",
        "max_new_tokens=2048 tokenizer=AutoTokenizer pad_token='<pad>' eos_token: </s> num_key_value_heads=8",
        "tokens: 4096, token: 512, key: value1 primary_key=True",
        "#SBATCH --account=project_465000123\n#SBATCH --time=01:00:00\nsrun python train.py --seed 42",
        "sha256:0123456789abcdef0123456789abcdef01234567 commit 0123456789abcdef0123456789abcdef01234567",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ada@laptop",
        "module load task-sk-learn/1.4 && python -m sk-image",
        "The secret is to use bf16. The key is: use more nodes.",
        "https://user@example.org/repo.git and git@github.com:org/repo.git",
        "secret_name: hf-credentials",
        "Bearer of bad news",
        "token = tokenizer(text)",
        "sacctmgr show user name=ada format=user%20,defaultaccount%30",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask_secrets(text) == mask_secrets(text).__class__(text, ())


FRAGMENTS = st.sampled_from([s for s, _ in SECRETS] + [s for s, _ in SENTENCES] + [KEY, "\n", "> ", "=", ": ", "'"])


@given(st.lists(FRAGMENTS | st.text(max_size=20), max_size=12).map(" ".join))
def test_masking_twice_is_masking_once(text: str) -> None:
    masked = mask_secrets(text)
    assert mask_secrets(masked.text).text == masked.text
    assert masked.text.count("\n") == text.count("\n")
    assert bool(masked.kinds) == (masked.text != text)


@given(st.sampled_from([secret for secret, _ in SECRETS]), st.text(max_size=50), st.text(max_size=50))
def test_a_token_is_found_between_any_words(secret: str, before: str, after: str) -> None:
    assert secret not in mask_secrets(f"{before} {secret} {after}").text


@pytest.mark.parametrize(
    "unit", ["a", "password ", "key=", "-----BEGIN PRIVATE KEY-----\n", "eyJ", "://", "x:y@", "A_", "sk-"]
)
def test_a_million_characters_of_nearly_matching_text(unit: str) -> None:
    began = time.process_time()
    mask_secrets(unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 60  # quadratic time would take hours


def test_a_message_is_masked_in_subject_and_texts_only() -> None:
    secret = SECRETS[0][0]
    raw = (
        b"From: a@b.eu\nSubject: my " + secret.encode() + b"\nContent-Type: multipart/mixed; boundary=b\n\n"
        b"--b\n\nIt fails with " + secret.encode() + b"\n--b\nContent-Disposition: attachment; filename=x.sh\n\n"
        b"export T=" + secret.encode() + b"\n--b--\n"
    )
    original = parse_mail(raw)
    message, kinds = mask_message(original)
    assert kinds == ("GitHub token",)
    assert secret not in message.subject + message.text + message.visible_text
    assert message.attachments == original.attachments


@pytest.mark.parametrize("before", [19_900, 19_985, 19_995, 20_000, 20_005, 40_000])
def test_a_long_text_hides_no_secret_where_it_is_cut(before: int) -> None:
    filler = ("step 12 loss 0.5\n" * (before // 17 + 1))[:before] + "\n"
    text = f"{filler}the password:\nTr0ub4dor&3x\n{filler}export HF_TOKEN=hf_{'aBcDeFgHiJ' * 4}\n{filler}"
    masked = mask_secrets(text)
    assert "Tr0ub4dor" not in masked.text
    assert "aBcDeFgHiJ" not in masked.text
    assert masked.text.count("\n") == text.count("\n")

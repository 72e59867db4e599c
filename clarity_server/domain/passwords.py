"""The password policy, as the comment of SignUpRequest.password tells it."""

CHARS_MIN = 8
CHARS_MAX = 128  # bounds what argon2id has to read


def violations(password: str) -> tuple[str, ...]:
    """What the password still needs, one phrase each; empty when it may be used."""
    rules = {
        f"at least {CHARS_MIN} characters": len(password) >= CHARS_MIN,
        f"at most {CHARS_MAX} characters": len(password) <= CHARS_MAX,
        "a lower-case letter": any(map(str.islower, password)),
        "an upper-case letter": any(map(str.isupper, password)),
        "a digit": any(map(str.isdecimal, password)),
        "a character that is none of these": any(map(_is_other, password)),
    }
    return tuple(need for need, met in rules.items() if not met)


def _is_other(char: str) -> bool:
    return not (char.islower() or char.isupper() or char.isdecimal())

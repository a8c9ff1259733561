"""Compared with the standard library's."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from app.services.mac import Mac


@given(key=st.binary(max_size=200), messages=st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_it_is_hmac_sha_256_however_often_the_key_is_used(key: bytes, messages: list[bytes]) -> None:
    mac = Mac(key)
    assert [mac.digest(message) for message in messages] == [hmac.digest(key, it, "sha256") for it in messages]

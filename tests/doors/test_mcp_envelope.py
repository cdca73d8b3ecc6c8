"""Bytes become one JSON-RPC message or a refusal, whatever they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from omniroute_agent.doors.mcp.envelope import BadMessage, read_message

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
members = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": st.integers() | st.text(max_size=3) | json_values,
        "method": st.just("tools/call") | json_values,
        "params": st.dictionaries(st.text(max_size=3), json_values, max_size=2) | json_values,
        "result": st.just({}) | json_values,
        "error": st.just({"code": 1, "message": "m"}) | json_values,
    },
)


@given(st.binary(max_size=60) | members.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_message_or_a_refusal_that_is_itself_a_message(body: bytes) -> None:
    try:
        message = read_message(body)
    except BadMessage as bad:
        reply = json.loads(bad.reply())
        assert reply["jsonrpc"] == "2.0"
        assert reply["error"]["code"] in (-32700, -32600)
        assert isinstance(reply["id"], int | str | None)
    else:
        assert json.loads(body)["jsonrpc"] == "2.0"
        assert message.model_dump_json(by_alias=True, exclude_unset=True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', JSONRPCRequest),
        (b'{"jsonrpc":"2.0","method":"ping"}', JSONRPCNotification),
        (b'{"jsonrpc":"2.0","id":"a","result":{}}', JSONRPCResponse),
    ],
)
def test_presence_of_members_decides_the_kind(body: bytes, kind: type[object]) -> None:
    assert isinstance(read_message(body), kind)


def test_a_request_with_a_bad_id_is_not_taken_for_a_notification() -> None:
    with pytest.raises(BadMessage, match="`id` must be text or an integer"):
        read_message(b'{"jsonrpc":"2.0","id":null,"method":"ping"}')

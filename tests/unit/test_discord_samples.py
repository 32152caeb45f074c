"""Test the samples: one for each of the bot's events, in the bot's format."""

import pytest

from deskwire.integrations.discord.payloads import PAYLOADS
from deskwire.integrations.discord.samples import EVENT_TYPES, build_sample_data, make_snowflake
from deskwire.kit.errors import Invalid

NOON = 1_795_348_800_000  # ms


def test_there_is_a_sample_for_every_event_of_the_bot():
    assert set(EVENT_TYPES) == set(PAYLOADS), "edit TYPES in integrations/discord/samples.py"


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_a_sample_has_a_valid_payload(type_):
    payload = PAYLOADS[type_].model_validate(build_sample_data(type_))

    assert payload.model_extra == {}, "a sample says nothing the wire format does not know"


def test_a_sample_has_the_given_values():
    data = build_sample_data(
        "ticket.created", guild="1", user="2", username="bo", ticket=3, subject="Hi"
    )

    assert data == {
        "guildId": "1",
        "ticketId": 3,
        "ticketNumber": 42,
        "subject": "Hi",
        "openerId": "2",
        "openerUsername": "bo",
    }


def test_a_sample_of_an_unknown_event_names_the_known_ones():
    with pytest.raises(Invalid, match=r"no event 'ticket.exploded'. It has: guild.joined,"):
        build_sample_data("ticket.exploded")


def test_messages_at_two_times_have_different_ids():
    first = build_sample_data("ticket.message_sent", at=NOON)["messageId"]
    second = build_sample_data("ticket.message_sent", at=NOON + 1)["messageId"]

    assert int(first) < int(second)


def test_a_snowflake_contains_its_time():
    # https://discord.com/developers/docs/reference#snowflakes: its example is of this moment.
    assert int(make_snowflake(1_462_015_105_796)) >> 22 == 175928847299117063 >> 22

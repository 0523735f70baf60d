"""The obvious chat server on socketify (uWebSockets), in the classic dialect: `python server.py PORT`.

Who comes is compared with everybody who waits. The library pings by itself, before a connection has been
silent for its idle timeout.
"""

import json
import math
import sys

from socketify import App, CompressOptions, OpCode

EARTH_RADIUS_KM = 6371
MESSAGE_MAX_BYTES = 8192
UNSENT_MAX_BYTES = 1024 * 1024

# uWebSockets sends a ping when this is nearly over, so that somebody who is silent is pinged every 25 s or so.
IDLE_TIMEOUT_S = 32

# Those who wait, in the order in which they came.
waiting = {}


class Person:
    """A connection and whoever is at the other end."""

    __slots__ = ("partner", "profile", "socket")

    def __init__(self):
        self.socket = None
        self.profile = None
        self.partner = None


def haversine_km(one, other):
    lat, other_lat = math.radians(one["lat"]), math.radians(other["lat"])
    half_lat = math.sin((other_lat - lat) / 2)
    half_long = math.sin(math.radians(other["long"] - one["long"]) / 2)
    a = half_lat * half_lat + math.cos(lat) * math.cos(other_lat) * half_long * half_long
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(a)))


def may_meet(one, other):
    distance_km = haversine_km(one["location"], other["location"])
    return distance_km <= min(one["range"], other["range"])


def frame(kind, profile, body):
    return json.dumps({"type": kind, "from": profile, "body": body}, separators=(",", ":"))


def bind(text):
    """Reads a client's first frame; None if it is not a bind."""
    try:
        message = json.loads(text)
        sender = message["from"]
        location = {name: float(sender["location"][name]) for name in ("lat", "long")}
        if message["type"] != "bind" or abs(location["lat"]) > 90 or abs(location["long"]) > 180:
            return None
        return {
            "username": str(sender["username"]),
            "location": location,
            "range": int(sender["range"]),
        }
    except (ValueError, KeyError, TypeError):
        return None


def send(person, text):
    if person.socket is not None:
        person.socket.send(text, OpCode.TEXT)


def join(person):
    for other in waiting:
        if may_meet(person.profile, other.profile):
            del waiting[other]
            person.partner, other.partner = other, person
            send(person, frame("connected", other.profile, ""))
            send(other, frame("connected", person.profile, ""))
            return
    waiting[person] = None


def on_upgrade(response, request, context):
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        context,
        Person(),
    )


def on_open(socket):
    # The object of an event is gone after it; a clone can be kept.
    socket.get_user_data().socket = socket.clone()


def on_message(socket, message, opcode):
    person = socket.get_user_data()
    if opcode != OpCode.TEXT:
        socket.end(1003, "only text is understood")
    elif person.partner is not None:
        said = frame("client", person.profile, message)
        send(person.partner, said)
        send(person, said)
    elif person in waiting:
        # Dropped, as in the original.
        pass
    elif (profile := bind(message)) is not None:
        person.profile = profile
        join(person)
    elif person.profile is None:
        socket.end(1008, "the first message must be a bind")


def on_close(socket, code, message):
    person = socket.get_user_data()
    person.socket = None
    waiting.pop(person, None)
    partner, person.partner = person.partner, None
    if partner is not None:
        partner.partner = None
        send(partner, frame("disconnected", person.profile, ""))


def main():
    app = App()
    app.ws(
        "/",
        {
            "compression": CompressOptions.DISABLED,
            "max_payload_length": MESSAGE_MAX_BYTES,
            "max_backpressure": UNSENT_MAX_BYTES,
            "close_on_backpressure_limit": True,
            "idle_timeout": IDLE_TIMEOUT_S,
            "send_pings_automatically": True,
            "upgrade": on_upgrade,
            "open": on_open,
            "message": on_message,
            "close": on_close,
        },
    )
    app.listen({"host": "127.0.0.1", "port": int(sys.argv[1])})
    app.run()


main()

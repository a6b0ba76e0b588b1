import socket

import pytest

from ml.serving.service import PortTaken, listen


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_first_part() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_taken_port_is_named_with_its_remedy() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"127\.0\.0\.1:{port} .* set OO_HEALTH_PORT"):
            listen("127.0.0.1", port)

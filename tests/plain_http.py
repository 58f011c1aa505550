"""For clients of servers on this machine that speak plain HTTP."""

import ssl

#: httpx reads every authority of the system for each client that it is given none for: 20 ms of processor.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

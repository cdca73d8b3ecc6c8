"""A real process that is a window to the gateway at the host and port given, with the key given."""

import sys

from omniroute_agent.doors.mcp.forward.window import Address, serve_window
from omniroute_agent.kernel.secret import Secret

host, port, key = sys.argv[1:]
handover = serve_window(Address(host=host, port=int(port), key=Secret(key), session="stdio-test", door="mcp-stdio"))
sys.stderr.write("closed in good order\n" if handover is None else f"handed over: {handover}\n")

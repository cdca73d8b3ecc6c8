"""The MCP door: both protocol eras on stdio and streamable HTTP, the handshake era on HTTP+SSE.

This package imports nothing by itself, so that stdio never pays for HTTP.
"""

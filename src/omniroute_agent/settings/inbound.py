"""The tables of who may come in, and of what is told about them: server, auth, log, audit, otel."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from omniroute_agent.settings.section import Section
from omniroute_agent.settings.values import (
    AddressOrEmpty,
    ExactAddressOrEmpty,
    HostNames,
    ListeningHost,
    Networks,
    PageOrigins,
    Switch,
    Whole,
    is_loopback,
)

AuditLevel = Literal["none", "basic", "full"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class ServerSettings(Section):
    host: ListeningHost = Field(
        default="127.0.0.1",
        description="Address that `serve` listens on. Other than loopback only with TLS, or behind a trusted proxy.",
    )
    port: Annotated[Whole, Field(ge=0, le=65535)] = Field(
        default=20128, description="Port that `serve` listens on; 0 takes any free one."
    )
    hosts: HostNames = Field(
        default=(),
        description="Names under which callers reach `serve`, beside loopback and `host`; requests for others are "
        "refused.",
    )
    cors_origins: PageOrigins = Field(
        default=(),
        description='Pages whose scripts may use `serve` from a browser, by origin, like "https://app.example".',
    )
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of proxies in front of `serve`; only their X-Forwarded headers count.",
    )
    tls_cert: Path | None = Field(
        default=None, description="File with the certificate, and those between it and its authority."
    )
    tls_key: Path | None = Field(default=None, description="File with the certificate's private key.")
    requests_per_second: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=5000, description="Most requests of one key a second; twice as many may come at once."
    )
    requests_at_once: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=256, description="Most requests of one key under way; those that listen count, too."
    )
    requests_together: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=1024, description="The same for all keys together."
    )
    sessions_per_key: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        default=100, description="Most sessions one key may have open."
    )
    max_body_mib: Annotated[Whole, Field(ge=1, le=16)] = Field(default=16, description="Longest request, in MiB.")
    windows: Switch = Field(
        default=True,
        description="Let a running `serve` answer for `mcp` windows that were started with the same settings and keys: "
        "they start faster and take less memory.",
    )
    open_health: Switch = Field(
        default=False,
        description="Answer /healthz and /readyz to anyone who reaches them, with one word. Without it they need a key "
        "like everything else.",
    )

    @property
    def looks_outward(self) -> bool:
        """Whether others than this machine can reach it."""
        return not is_loopback(self.host)

    @model_validator(mode="after")
    def _safe_to_reach(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both `tls_cert` and `tls_key`")
        if self.looks_outward and self.tls_cert is None and not self.trusted_proxies:
            raise ValueError(
                "`host` is no loopback address, so keys would travel unencrypted: set `tls_cert` and `tls_key`, or "
                "name the proxy that does TLS in `trusted_proxies`"
            )
        if self.looks_outward and not self.hosts and ip_address(self.host).is_unspecified:
            raise ValueError("say in `hosts` under which names callers reach this server")
        return self


class AuthSettings(Section):
    """Tokens of an issuer that are as good as keys."""

    issuer: ExactAddressOrEmpty = Field(
        default="", description="Issuer whose tokens (JWT) are accepted beside keys, by its exact name; empty: none."
    )
    audience: str = Field(
        default="",
        description="What such tokens must name as their audience: best the address of this server's /mcp.",
    )
    jwks_url: ExactAddressOrEmpty = Field(default="", description="Where the issuer publishes its keys.")
    jwks_file: Path | None = Field(default=None, description="File with them, in place of `jwks_url`.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = bool(self.jwks_url) + (self.jwks_file is not None)
        if self.issuer and not (self.audience and given == 1):
            raise ValueError("an issuer needs `audience` and one of `jwks_url` and `jwks_file`")
        if not self.issuer and (self.audience or given):
            raise ValueError("these settings go with `issuer`")
        if urlsplit(self.jwks_url).scheme == "http" and not is_loopback(urlsplit(self.jwks_url).hostname or ""):
            raise ValueError("`jwks_url` must be https: whoever can change it on its way lets anybody in")
        return self


class LogSettings(Section):
    format: LogFormat = Field(
        default="text", description="How a server logs on stderr: text, or json (one object a line)."
    )
    level: LogLevel = Field(default="warning", description="From which weight on: debug, info, warning or error.")


class AuditSettings(Section):
    level: AuditLevel = Field(
        default="basic",
        description="What is recorded of every tool call: none, basic (who, which tool, a hash of its input, outcome, "
        "time) or full (its arguments too, without secrets and at most 4,096 characters).",
    )


class OtelSettings(Section):
    endpoint: AddressOrEmpty = Field(
        default="",
        description="Where OpenTelemetry spans go over OTLP/HTTP (extra `otel`), like http://127.0.0.1:4318; "
        "OTEL_EXPORTER_OTLP_ENDPOINT sets it too. Empty: no spans.",
    )

"""Connections for httpx, by aiohttp.

httpx's own pool looks at all of its connections at every request, which makes hundreds of held polls at once slow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from yarl import URL

MAX_CONNECTIONS = 512
KEEPALIVE_S = 4.0
"""Shorter than the 5 s after which common servers close an idle connection, so that none is used as it closes."""

WRITTEN_BY_AIOHTTP = {b"host", b"content-length", b"transfer-encoding", b"connection"}


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One pool of connections, for one event loop. Proxies are taken from the environment."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request and returns the answer, its body read.

        Raises:
            httpx.TransportError: one of its kinds.
        """
        limits = request.extensions.get("timeout", {})
        headers = [(k.decode(), v.decode()) for k, v in request.headers.raw if k.lower() not in WRITTEN_BY_AIOHTTP]
        session = self._session or self._open(request.url)
        with _as_httpx_errors(request):
            async with session.request(
                request.method,
                # A user and a password of the address are in the headers by now, and aiohttp takes them only once.
                URL(str(request.url), encoded=True).with_user(None),
                data=request.content or None,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=limits.get("connect"), sock_read=limits.get("read")),
            ) as response:
                body = await response.read()
        return httpx.Response(response.status, headers=response.raw_headers, stream=httpx.ByteStream(body))

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._session:
            await self._session.close()

    def _open(self, url: httpx.URL) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=MAX_CONNECTIONS,
            keepalive_timeout=KEEPALIVE_S,
            # httpx's own certificates, which are there on a bare system too, but take 50 ms to load.
            ssl=httpx.create_ssl_context() if url.scheme == "https" else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            # Looked up once: aiohttp itself would read the environment in a thread at every request.
            proxy=None if proxy_bypass(url.host) else getproxies().get(url.scheme),
        )
        return self._session


@contextlib.contextmanager
def _as_httpx_errors(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error), request=request) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(str(error), request=request) from error
    except aiohttp.InvalidURL as error:
        raise httpx.UnsupportedProtocol(str(error), request=request) from error
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError) as error:
        raise httpx.RemoteProtocolError(str(error), request=request) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(str(error), request=request) from error

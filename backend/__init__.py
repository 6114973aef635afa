"""The server's side of the wire: contract, services, gateway, queues, engines, and the two Modal apps."""

"""HTTP/1.1 as providers speak it, well or badly: connections, doors, TLS, and scripts onto them."""

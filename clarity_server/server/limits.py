"""The process's limits by name, and what gRPC is told of them."""

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
UNARY_S = 25.0  # shorter than Envoy's 30 s, so that a client hears our reason and not the proxy's
SERVER_STREAM_S = 600.0  # of one ReadSeries
KEEPALIVE_MS = 30_000
KEEPALIVE_TIMEOUT_MS = 10_000
CLIENT_PING_MS_MIN = 10_000  # a phone may ping this often without being told to calm down
LOOKAHEAD_BYTES = 1024 * 1024  # what gRPC reads ahead of a stream: more only holds memory

GRPC_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_MS_MIN),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share
)

"""Bytes of the GDB remote protocol: what every client here needs of them."""


def frame(payload):
    """$payload#sum; text is latin-1."""
    if isinstance(payload, str):
        payload = payload.encode("latin-1")
    return b"$%s#%02x" % (payload, sum(payload) & 255)


def expand(data):
    """Run lengths and escapes of a reply's payload undone."""
    out = bytearray()
    i = 0
    while i < len(data):
        c = data[i]
        if c == 0x2a:
            out += out[-1:] * (data[i + 1] - 29)
            i += 1
        elif c == 0x7d:
            i += 1
            out.append(data[i] ^ 0x20)
        else:
            out.append(c)
        i += 1
    return bytes(out)

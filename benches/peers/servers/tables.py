"""What was measured, as tables in Markdown and as a plot."""

import html
import math

COLOURS = ["#0b6e4f", "#59a96a", "#7a1f1f", "#c0392b", "#e67e22", "#1f4e79", "#8e44ad", "#555555"]


def figure(value, digits=0):
    return "—" if value is None else f"{value:,.{digits}f}"


def ratio(value, base):
    """How much of the first server's figure this is."""
    return "—" if not value or not base else f"{value / base:,.2f}"


def markdown(servers, sizes):
    first = servers[0]
    few, many = sizes.idle
    out = [
        f"\n| server | bytes for each idle connection, {few:,} to {many:,} | × | µs of processor for each and second | × "
        "| kept alive by |",
        "|---|---|---|---|---|---|",
    ]
    for each in servers:
        out.append(
            f"| {each.name} | {figure(each.idle_bytes)} | {ratio(each.idle_bytes, first.idle_bytes)} "
            f"| {figure(each.idle_us_per_s, 2)} | {ratio(each.idle_us_per_s, first.idle_us_per_s)} | {each.pings} |"
        )
    out += [
        f"\n| server | messages relayed per second, at most | × | relay at {sizes.chat_steady:,}/s, p50 ms | p99 ms | × "
        "| people matched per second, at most | × |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in servers:
        out.append(
            f"| {each.name} | {figure(each.relayed_per_s)} | {ratio(each.relayed_per_s, first.relayed_per_s)} "
            f"| {figure(each.steady_p50_ms, 2)} | {figure(each.steady_p99_ms, 2)} "
            f"| {ratio(each.steady_p99_ms, first.steady_p99_ms)} "
            f"| {figure(each.matched_per_s)} | {ratio(each.matched_per_s, first.matched_per_s)} |"
        )
    heads = [f"{waiting:,} wait" for waiting in sizes.waiting]
    out += [f"\n| time to match, p50 / p99 in ms | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for each in servers:
        cells = [each.match_ms.get(waiting, (None, None)) for waiting in sizes.waiting]
        row = " | ".join(f"{figure(p50, 2)} / {figure(p99, 2)}" for p50, p99 in cells)
        out.append(f"| {each.name} | {row} |")
    return "\n".join(out + notes(servers))


def notes(servers):
    out = []
    for each in servers:
        said = list(dict.fromkeys(each.failures + each.remarks))
        if each.violations or each.errors:
            said.insert(0, f"{each.violations} broken promises, {each.errors} errors where none were to be expected")
        out += [f"- {each.name}: {what}" for what in said]
    return ["", *out] if out else []


def plot(servers, waiting):
    """The p99 of the time to match against the number of people who wait; the time on a logarithmic scale."""
    times = [p99 for each in servers for _, p99 in each.match_ms.values() if p99 > 0]
    if not times:
        return ""
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    high = max(high, low + 1)
    left, top, width, height = 70, 20, 520, 300

    def x(people):
        return left + width * people / max(waiting)

    def y(ms):
        return top + height * (high - math.log10(ms)) / (high - low)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {top + height + 60}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for power in range(low, high + 1):
        at = y(10**power)
        out.append(f'<path d="M{left} {at:.1f}h{width}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for people in waiting:
        out.append(f'<text x="{x(people):.1f}" y="{top + height + 18}" text-anchor="middle">{people:,}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top + height + 40}" text-anchor="middle">people who wait</text>')
    middle = top + height / 2
    out.append(f'<text transform="rotate(-90 16 {middle})" x="16" y="{middle}" text-anchor="middle">ms to match, p99</text>')
    for index, each in enumerate(servers):
        points = [(x(people), y(p99)) for people, (_, p99) in sorted(each.match_ms.items()) if p99 > 0]
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points]
        legend = top + 16 + index * 20
        out.append(f'<path d="M{left + width + 20} {legend}h16" stroke="{colour}" stroke-width="3"/>')
        out.append(f'<text x="{left + width + 42}" y="{legend + 4}">{html.escape(each.name)}</text>')
    return "\n".join([*out, "</svg>", ""])

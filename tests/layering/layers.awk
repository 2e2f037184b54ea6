# The layer table, for the checks of this folder: known[room], allowed[room, room], room_of(path). Needs -v layers=FILE.
BEGIN {
  while ((getline line < layers) > 0) {
    sub(/#.*/, "", line)
    if (line !~ /:/) continue
    room = line; sub(/:.*/, "", room); gsub(/[ \t]/, "", room)
    rest = line; sub(/^[^:]*:/, "", rest)
    known[room] = 1
    n = split(rest, list, /[ \t]+/)
    for (i = 1; i <= n; ++i) if (list[i] != "") allowed[room, list[i]] = 1
  }
}
# The room of the longest folder that holds the path; empty where none does.
function room_of(path,   p) {
  for (p = path; p != ""; ) { if (p in known) return p; if (!sub(/\/[^\/]*$/, "", p)) return "" }
  return ""
}

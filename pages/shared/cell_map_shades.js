// Which colour each cell has, which lies on top, and the names written on the map.

function rgb(text) {
  const value = parseInt(text.slice(1), 16)
  return ((value & 255) << 16) | (value & 0xff00) | (value >> 16)
}

function mixed(a, b, share) {
  const part = (shift) => Math.round(((a >> shift) & 255) * (1 - share) + ((b >> shift) & 255) * share) << shift
  return part(0) | part(8) | part(16)
}

function shortened(text) {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text
}

const shading = {
  shade() {
    const { n, colour, scale, palette } = this.data
    const ground = rgb(this.paper)
    const dark = (ground & 255) + ((ground >> 8) & 255) + ((ground >> 16) & 255) < 384
    const hues = (dark ? palette.dark : palette.light).map(rgb)
    this.most = 2 * hues.length
    const grey = mixed(ground, rgb(dark ? "#8899a0" : "#7c8a90"), 0.55)
    this.grey = grey
    this.hueOf = (level) => (level < hues.length ? hues[level] : mixed(hues[level % hues.length], dark ? 0xffffff : 0x000000, 0.4))
    const colours = new Uint32Array(n)
    const plain = new Uint8Array(n) // 1: nothing to say about this cell
    if (!colour) colours.fill(rgb(this.accent))
    else if (colour.kind === "groups") {
      this.spare = new Map([...this.only].filter((level) => level >= this.most).map((level, at) => [level, at % hues.length]))
      const table = colour.levels.map((_, level) => (this.only.size && !this.only.has(level) ? -1 : this.slot(level)))
      for (let i = 0; i < n; i++) {
        const slot = this.codes[i] === 65535 ? -1 : table[this.codes[i]]
        colours[i] = slot < 0 ? grey : this.hueOf(slot)
        plain[i] = slot < 0 ? 1 : 0
      }
    } else {
      const stops = scale.map(rgb)
      const table = Uint32Array.from({ length: 255 }, (_, at) => {
        const place = (at / 254) * (stops.length - 1)
        const low = Math.min(stops.length - 2, Math.floor(place))
        return mixed(stops[low], stops[low + 1], place - low)
      })
      for (let i = 0; i < n; i++) {
        plain[i] = this.codes[i] === 255 ? 1 : 0
        colours[i] = plain[i] ? grey : table[this.codes[i]]
      }
    }
    if (this.chosen) {
      for (let i = 0; i < n; i++) {
        if (!this.chosen[i]) {
          colours[i] = grey
          plain[i] = 1
        }
      }
    }
    this.plain = plain
    this.shades = { ground, colours, ...this.layered(plain, colour) }
  },

  layered(plain, colour) {
    // Grey below; of numbers, the high ones on top.
    const n = plain.length
    const numbers = colour?.kind === "numbers"
    const layers = numbers ? 256 : 2
    const layer = (i) => (plain[i] ? 0 : numbers ? 1 + this.codes[i] : 1)
    const start = new Uint32Array(layers + 1)
    for (let i = 0; i < n; i++) start[layer(i) + 1]++
    for (let at = 0; at < layers; at++) start[at + 1] += start[at]
    const faint = start[1]
    const order = new Uint32Array(n)
    for (let place = 0; place < n; place++) {
      const i = this.order[place]
      order[start[layer(i)]++] = i
    }
    return { order, faint }
  },

  slot(level) {
    if (level < this.most) return level
    return this.spare.get(level) ?? -1
  },

  cssOf(level) {
    const slot = this.slot(level)
    const value = slot < 0 ? this.grey : this.hueOf(slot)
    return `rgb(${value & 255}, ${(value >> 8) & 255}, ${(value >> 16) & 255})`
  },

  labels(panel) {
    const { colour } = this.data
    if (!colour?.labelled || colour.kind !== "groups") return []
    this.places ??= new Map()
    if (this.places.get(panel)?.url !== panel.url) {
      const members = colour.levels.map(() => [[], []])
      for (let i = 0; i < this.data.n; i++) {
        const level = this.codes[i]
        if (level < this.most) {
          members[level][0].push(panel.points[2 * i])
          members[level][1].push(panel.points[2 * i + 1])
        }
      }
      const middle = (values) => Float64Array.from(values).sort()[values.length >> 1]
      const found = members.flatMap(([xs, ys], level) =>
        xs.length ? [{ level, text: shortened(colour.levels[level]), x: middle(xs), y: middle(ys) }] : [])
      this.places.set(panel, { url: panel.url, found })
    }
    return this.places.get(panel).found.filter(({ level }) => !this.only.size || this.only.has(level))
  },

  toggle(level) {
    if (level === null) this.only.clear()
    else if (!this.only.delete(level)) this.only.add(level)
    this.refresh()
  },
}

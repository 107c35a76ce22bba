// Points into pixels, without a graphics card: a disc is laid over the picture for each point, by plain arithmetic.

const FULL = 65535

function shuffled(n) {
  // The same order every time: which cell lies on top is chance, not the order of the file.
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  let state = 12345
  for (let i = n - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const j = state % (i + 1)
    const kept = order[i]
    order[i] = order[j]
    order[j] = kept
  }
  return order
}

function disc(radius) {
  // How much of each pixel around the middle a disc covers, 0 to 256.
  const reach = Math.ceil(radius - 0.5)
  const out = []
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(x, y)))
      if (cover > 0.02) out.push([x, y, cover])
    }
  }
  return { reach, spots: out }
}

function paint(pixels, width, height, points, order, from, to, colours, view, radius, opacity) {
  // view: pixel = value * view.k + view.x; colours: 0x00BBGGRR of each point
  const { reach, spots } = disc(radius)
  const xs = spots.map(([x]) => x)
  const steps = Int32Array.from(spots, ([x, y]) => y * width + x)
  const weights = Int32Array.from(spots, ([, , cover]) => Math.round(cover * opacity * 256))
  const { k, x: left, y: top } = view
  for (let place = from; place < to; place++) {
    const i = order[place]
    const x = Math.round(points[2 * i] * k + left)
    const y = Math.round(points[2 * i + 1] * k + top)
    if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue
    const colour = colours[i]
    const redBlue = colour & 0xff00ff
    const green = colour & 0x00ff00
    const at = y * width + x
    for (let s = 0; s < steps.length; s++) {
      const w = weights[s]
      const under = pixels[at + steps[s]]
      const rest = 256 - w
      const rb = ((redBlue * w + (under & 0xff00ff) * rest) / 256) & 0xff00ff
      const g = ((green * w + (under & 0x00ff00) * rest) / 256) & 0x00ff00
      pixels[at + steps[s]] = 0xff000000 | rb | g
    }
  }
}

function buckets(points) {
  // Cells by squares of the map, to find the nearest one to the pointer without looking at all.
  const side = 128
  const n = points.length / 2
  const of = (i) => ((points[2 * i + 1] * side) >> 16) * side + ((points[2 * i] * side) >> 16)
  const start = new Uint32Array(side * side + 1)
  for (let i = 0; i < n; i++) start[of(i) + 1]++
  for (let b = 0; b < side * side; b++) start[b + 1] += start[b]
  const fill = start.slice()
  const members = new Uint32Array(n)
  for (let i = 0; i < n; i++) members[fill[of(i)]++] = i
  return { side, start, members }
}

function nearest(points, grid, x, y, within, allowed) {
  const { side, start, members } = grid
  const clamp = (value) => Math.min(side - 1, Math.max(0, Math.floor((value * side) / 65536)))
  let best = -1
  let least = within * within
  for (let row = clamp(y - within); row <= clamp(y + within); row++) {
    for (let column = clamp(x - within); column <= clamp(x + within); column++) {
      const b = row * side + column
      for (let m = start[b]; m < start[b + 1]; m++) {
        const i = members[m]
        const d = (points[2 * i] - x) ** 2 + (points[2 * i + 1] - y) ** 2
        if (d < least && allowed(i)) {
          least = d
          best = i
        }
      }
    }
  }
  return best
}

function inside(outline, x, y) {
  let within = false
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i++) {
    const [xi, yi] = outline[i]
    const [xj, yj] = outline[j]
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within
  }
  return within
}

function bytesToText(bytes) {
  let text = ""
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(text)
}

function textToBytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}

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
    const stops = scale.map(rgb)
    const between = (part) => {
      const place = part * (stops.length - 1)
      const low = Math.min(stops.length - 2, Math.floor(place))
      return mixed(stops[low], stops[low + 1], place - low)
    }
    const last = colour?.ordered ? colour.levels.length - 1 : 0
    const hues = last ? colour.levels.map((_, level) => between(level / last)) : (dark ? palette.dark : palette.light).map(rgb)
    this.most = hues.length
    const grey = mixed(ground, rgb(dark ? "#8899a0" : "#7c8a90"), 0.55)
    this.grey = grey
    this.hueOf = (level) => hues[level]
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
      const table = Uint32Array.from({ length: 255 }, (_, at) => between(at / 254))
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
      const found = members.flatMap(([xs, ys], level) => {
        if (!xs.length) return []
        // at a cell of the group: the middle of one in two places lies in neither
        const [mx, my] = [middle(xs), middle(ys)]
        let best = 0
        const away = (at) => (xs[at] - mx) ** 2 + (ys[at] - my) ** 2
        for (let at = 1; at < xs.length; at++) if (away(at) < away(best)) best = at
        return [{ level, text: shortened(colour.levels[level]), x: xs[best], y: ys[best] }]
      })
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

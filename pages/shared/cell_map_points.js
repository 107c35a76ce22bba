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

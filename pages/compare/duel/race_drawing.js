// What a race is drawn with: small shapes, ticks, numbers, and the two curves over one clock.

const SVG = "http://www.w3.org/2000/svg"

const write = (element, text) => { if (element.textContent !== text) element.textContent = text }
const shape = (tag, attributes, parent) => {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  parent?.append(element)
  return element
}
const make = (tag, name, text, parent) => {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text !== undefined) element.textContent = text
  parent?.append(element)
  return element
}

function seconds(value) {
  if (value < 100) return `${value.toFixed(1)} s`
  const whole = Math.round(value)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`
}

const loss = (value) => value.toLocaleString("en", { maximumSignificantDigits: 5 })

function ticks(low, high, wanted) {
  if (!(high > low)) return [low]
  const rough = (high - low) / Math.max(1, wanted)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)
  const found = []
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(Number(value.toPrecision(12)))
  return found
}

// the pair [seconds, value, ...] in force at a time, and the position between two for drawing
const lastBefore = (points, time) => {
  let low = 0
  let high = points.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[middle][0] <= time + 1e-9) low = middle + 1
    else high = middle
  }
  return low - 1
}
const between = (points, time) => {
  const at = lastBefore(points, time)
  if (at < 0) return null
  const [x0, y0] = points[at]
  const next = points[at + 1]
  if (!next) return [x0, y0]
  const part = (time - x0) / (next[0] - x0 || 1)
  return [time, y0 + part * (next[1] - y0)]
}

// Draws everything that stays while the clock runs; returns what moves with it.
function drawCurves(svg, data, end) {
  const width = svg.clientWidth
  const height = svg.clientHeight
  const size = data.stage ? 18 : 13
  if (!width || !height) return null
  svg.replaceChildren()
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
  svg.setAttribute("aria-label", data.words)
  const values = data.racers.flatMap((racer) => racer.points.map((point) => point[1]))
  if (data.target !== null) values.push(data.target)
  const room = { left: size * 4.6, right: size, top: size, bottom: size * 3.2 }
  const span = data.live ? Math.max(end, data.clock * 1.25, 1) : end
  const low = values.length ? Math.min(...values) : 0
  const high = values.length ? Math.max(...values) : 1
  const pad = (high - low || Math.abs(high) || 1) * 0.06
  const unit = span < 300 ? [1, "s"] : span < 10800 ? [60, "min"] : [3600, "h"]
  const x = (time) => room.left + (time / span) * (width - room.left - room.right)
  const y = (value) => height - room.bottom - ((value - low + pad) / (high - low + 2 * pad)) * (height - room.top - room.bottom)
  const text = (words, left, top, more = {}) => { shape("text", { x: left, y: top, ...more }, svg).textContent = words }
  if (values.length) {
    for (const value of ticks(low, high, height / 70)) {
      shape("line", { class: "grid", x1: room.left, x2: width - room.right, y1: y(value), y2: y(value) }, svg)
      text(value.toLocaleString("en"), room.left - 8, y(value) + size / 3, { "text-anchor": "end" })
    }
  }
  for (const value of ticks(0, span / unit[0], width / 90)) {
    text(value.toLocaleString("en"), x(value * unit[0]), height - room.bottom + size * 1.3, { "text-anchor": "middle" })
  }
  text(`training time (${unit[1]})`, (room.left + width) / 2, height - size * 0.4, { "text-anchor": "middle" })
  text(`${data.metric}, lower is better`, size, room.top + (height - room.top - room.bottom) / 2, {
    "text-anchor": "middle", transform: `rotate(-90 ${size} ${room.top + (height - room.top - room.bottom) / 2})`,
  })
  const clip = shape("clipPath", { id: "race-uncovered" }, svg)
  const uncovered = shape("rect", { x: 0, y: 0, width: 0, height }, clip)
  if (data.target !== null) {
    shape("line", { class: "target", x1: room.left, x2: width - room.right, y1: y(data.target), y2: y(data.target) }, svg)
    text(`target loss: ${loss(data.target)}`, room.left + 6, y(data.target) - size * 0.45)
  }
  const cursor = shape("line", { class: "cursor", y1: room.top, y2: height - room.bottom }, svg)
  const marks = data.racers.map((racer) => {
    const d = racer.points.map(([time, value], index) => `${index ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join("")
    shape("path", { d, stroke: racer.colour, "stroke-dasharray": racer.dash, "clip-path": "url(#race-uncovered)" }, svg)
    const star = racer.reached === null ? null : shape("circle", {
      class: "halo", cx: x(racer.reached), cy: y(racer.reachedLoss), r: size * 0.62, fill: racer.colour,
    }, svg)
    return { star, dot: shape("circle", { class: "halo", r: size * 0.45, fill: racer.colour }, svg) }
  })
  return { span, x, y, uncovered, cursor, marks }
}

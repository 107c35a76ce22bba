// Cells that move from one picture to the next: pictures are fetched once, what lies between is drawn here.

const players = new WeakMap()
const STEP_MS = 450 // from one picture to the next in a replay
const LIVE_MS = 900 // to a picture that has just been taken
const still = matchMedia("(prefers-reduced-motion: reduce)")

function part(root, name) { return root.querySelector(`.cell-frames-${name}`) }

function make(root) {
  const player = {
    root, canvas: root.querySelector("canvas"), note: part(root, "note"), tip: part(root, "tip"),
    legend: part(root, "legend"), play: part(root, "play"), range: root.querySelector("input"),
    said: root.querySelector("output"), points: new Map(), asked: new Set(), at: 0, playing: false,
    following: true, focus: -1, ticket: 0, last: 0, view: null, frames: [], drawn: 0,
  }
  player.play.onclick = () => (player.playing ? pause(player) : start(player))
  player.range.oninput = () => {
    pause(player)
    player.at = Number(player.range.value)
    player.following = player.at >= player.frames.length - 1
    want(player)
    tick(player)
  }
  player.canvas.onpointermove = (event) => point(player, event)
  player.canvas.onpointerleave = () => { player.tip.hidden = true }
  const sized = new ResizeObserver(() => tick(player))
  sized.observe(player.canvas)
  player.close = () => {
    sized.disconnect()
    cancelAnimationFrame(player.ticket)
    players.delete(root)
  }
  players.set(root, player)
  return player
}

function start(player) {
  if (player.frames.length < 2) return
  if (player.at >= player.frames.length - 1) player.at = 0
  player.playing = true
  player.following = false
  player.last = performance.now()
  buttons(player)
  tick(player)
}

function pause(player) {
  player.playing = false
  buttons(player)
}

function buttons(player) {
  player.play.textContent = player.playing ? "❚❚ Pause" : "▶ Play"
  player.root.dataset.playing = String(player.playing)
}

async function want(player) {
  // the present picture first, then its neighbours, then all others
  const here = Math.round(player.at)
  const order = player.frames.map((frame, i) => [Math.abs(i - here), frame]).sort((a, b) => a[0] - b[0])
  for (const [, frame] of order) {
    if (player.points.has(frame.name) || player.asked.has(frame.name)) continue
    player.asked.add(frame.name)
    try {
      const answer = await fetch(player.data.address.replace("{name}", frame.name))
      if (!answer.ok) throw new Error(await answer.text())
      const values = new Uint16Array(await answer.arrayBuffer())
      const points = new Float32Array(values.length)
      for (let i = 0; i < values.length; i++) {
        const d = i & 1
        points[i] = frame.low[d] + (values[i] / 65535) * (frame.high[d] - frame.low[d])
      }
      player.points.set(frame.name, points)
    } catch (error) {
      player.asked.delete(frame.name)
      player.failed = error instanceof TypeError ? "The server does not respond." : error.message
      tick(player)
      return
    }
    tick(player)
    if (!player.root.isConnected) return
  }
}

function tick(player) {
  if (!player.ticket) player.ticket = requestAnimationFrame((now) => step(player, now))
}

function step(player, now) {
  player.ticket = 0
  if (!player.root.isConnected) return
  const passed = Math.max(0, Math.min(100, now - player.last)) // a frame's time may lie before that of a click
  player.last = now
  const end = player.frames.length - 1
  const goal = player.playing || player.following ? end : player.at
  if (player.at < goal) {
    const next = player.frames[Math.min(end, Math.floor(player.at) + 1)]
    if (next && player.points.has(next.name)) {
      player.waited = (player.waited ?? 0) + passed
      if (still.matches) {
        const due = player.playing ? 2 * STEP_MS : 0 // one picture after the other, nothing moves
        if (player.waited >= due) {
          player.at = player.playing ? Math.floor(player.at) + 1 : goal
          player.waited = 0
        }
      } else {
        player.at = Math.min(goal, player.at + passed / (player.playing ? STEP_MS : LIVE_MS))
      }
    }
  }
  if (player.playing && player.at >= end) {
    player.following = true
    pause(player)
  }
  if (player.frames.length) {
    camera(player)
    draw(player)
  }
  if (player.at < goal) tick(player)
}

function ease(t) { return t * t * (3 - 2 * t) }

// The camera follows the cells, but never comes so near that the first pictures would not look small beside the later.
function camera(player) {
  const { frames } = player
  const i = Math.min(Math.floor(player.at), frames.length - 1)
  const a = frames[i], b = frames[Math.min(i + 1, frames.length - 1)], t = ease(player.at - i)
  const most = Math.max(...frames.map(({ low, high }) => Math.max(high[0] - low[0], high[1] - low[1])))
  player.view = [0, 1].map((d) => {
    const low = a.low[d] + (b.low[d] - a.low[d]) * t, high = a.high[d] + (b.high[d] - a.high[d]) * t
    return { middle: (low + high) / 2, size: high - low }
  })
  player.least = 0.35 * most
}

function place(player) {
  const { canvas, view, least } = player
  const wide = canvas.clientWidth, high = canvas.clientHeight, room = 12
  const scale = Math.min(
    (wide - 2 * room) / (view[0].size || 1),
    (high - 2 * room) / (view[1].size || 1),
    (Math.min(wide, high) - 2 * room) / (least || 1),
  )
  return { scale, x: wide / 2 - scale * view[0].middle, y: high / 2 + scale * view[1].middle }
}

// The two pictures that the present moment lies between, and how far.
function between(player) {
  const i = Math.min(Math.floor(player.at), player.frames.length - 1)
  const j = Math.min(i + 1, player.frames.length - 1)
  const a = player.points.get(player.frames[i]?.name)
  const b = player.points.get(player.frames[j]?.name)
  return { i, a: a ?? b, b: b ?? a, t: ease(player.at - i) }
}

function sprite(colour, size, ratio) {
  const dot = document.createElement("canvas")
  dot.width = dot.height = Math.ceil((size + 2) * ratio)
  const pen = dot.getContext("2d")
  pen.fillStyle = colour
  pen.beginPath()
  pen.arc(dot.width / 2, dot.height / 2, (size * ratio) / 2, 0, 2 * Math.PI)
  pen.fill()
  return dot
}

function draw(player) {
  const { canvas, data, codes } = player
  const ratio = window.devicePixelRatio || 1
  const wide = canvas.clientWidth, high = canvas.clientHeight
  if (!wide || !player.frames.length) return
  if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
    canvas.width = Math.round(wide * ratio)
    canvas.height = Math.round(high * ratio)
  }
  const pen = canvas.getContext("2d")
  pen.clearRect(0, 0, canvas.width, canvas.height)
  const { i, a, b, t } = between(player)
  player.note.hidden = Boolean(a)
  if (!a) {
    player.note.textContent = player.failed ?? "Loading the frames…"
    return
  }
  const { scale, x, y } = place(player)
  const n = codes.length
  const size = n > 1500 ? 4 : n > 400 ? 5 : 6
  const dots = data.palette.map((colour) => sprite(colour, size, ratio))
  const half = dots[0].width / 2
  for (const focused of player.focus < 0 ? [true] : [false, true]) {
    for (let c = 0; c < n; c++) {
      const mine = player.focus < 0 || codes[c] === player.focus
      if (mine !== focused) continue
      pen.globalAlpha = mine ? 0.8 : 0.12
      const px = a[2 * c] + (b[2 * c] - a[2 * c]) * t, py = a[2 * c + 1] + (b[2 * c + 1] - a[2 * c + 1]) * t
      pen.drawImage(dots[codes[c]] ?? dots.at(-1), (x + scale * px) * ratio - half, (y - scale * py) * ratio - half)
    }
  }
  player.root.dataset.drawn = String(++player.drawn)
  const nearest = player.frames[Math.round(player.at)]
  player.root.dataset.epoch = String(nearest.epoch)
  player.root.dataset.at = player.at.toFixed(3)
  player.root.dataset.loaded = String(player.points.size)
  if (document.activeElement !== player.range || player.playing) player.range.value = String(player.at)
  const epoch = nearest.epoch ? `epoch ${nearest.epoch}` : "before training"
  player.range.setAttribute("aria-valuetext", epoch)
  const text = `${epoch} · PC1+PC2: ${Math.round(100 * nearest.explained)} % of variance`
  if (player.said.textContent !== text) player.said.textContent = text
  player.index = i
}

function point(player, event) {
  const { a, b, t } = between(player)
  if (!a || !player.view) return
  const { scale, x, y } = place(player)
  const box = player.canvas.getBoundingClientRect()
  const mx = event.clientX - box.left, my = event.clientY - box.top
  let best = 100, found = -1
  for (let c = 0; c < player.codes.length; c++) {
    const dx = x + scale * (a[2 * c] + (b[2 * c] - a[2 * c]) * t) - mx
    const dy = y - scale * (a[2 * c + 1] + (b[2 * c + 1] - a[2 * c + 1]) * t) - my
    const far = dx * dx + dy * dy
    if (far < best) { best = far; found = c }
  }
  const label = found < 0 || player.data.continuous ? "" : player.data.labels[player.codes[found]]
  player.tip.hidden = !label
  if (!label) return
  player.tip.textContent = label
  player.tip.style.left = `${Math.min(mx + 12, box.width - player.tip.offsetWidth - 4)}px`
  player.tip.style.top = `${Math.max(0, my - 30)}px`
}

function legend(player) {
  const { data } = player
  const drawn = JSON.stringify([data.labels, data.palette, player.focus])
  if (player.legend.dataset.drawn === drawn) return
  player.legend.dataset.drawn = drawn
  if (data.continuous) {
    const item = document.createElement("li")
    item.className = "cell-frames-scale"
    const bar = document.createElement("i")
    bar.style.background = `linear-gradient(to right, ${data.palette.slice(0, -1).join(",")})`
    const ends = document.createElement("div")
    for (const label of data.labels) ends.append(Object.assign(document.createElement("span"), { textContent: label }))
    item.append(bar, ends)
    player.legend.replaceChildren(item)
    return
  }
  const items = data.labels.map((label, code) => {
    const item = document.createElement("li"), button = document.createElement("button"), dot = document.createElement("i")
    dot.style.background = data.palette[code]
    button.append(dot, Object.assign(document.createElement("span"), { textContent: label }))
    button.title = label
    button.type = "button"
    button.setAttribute("aria-pressed", String(player.focus === code))
    button.onclick = () => {
      player.focus = player.focus === code ? -1 : code
      legend(player)
      tick(player)
      player.legend.querySelectorAll("button")[code]?.focus()
    }
    item.append(button)
    return item
  })
  player.legend.replaceChildren(...items)
}

function show(player, data) {
  const { root } = player
  const known = player.frames.length
  if (player.data?.run !== data.run) {
    Object.assign(player, { points: new Map(), asked: new Set(), following: true, focus: -1, view: null, playing: false })
  }
  if (player.data?.codes !== data.codes) player.focus = -1
  const before = player.frames[Math.round(player.at)]?.epoch
  const first = !player.data || player.data.run !== data.run
  player.data = data
  player.frames = data.frames
  player.codes = Uint8Array.from(atob(data.codes), (c) => c.charCodeAt(0))
  const end = Math.max(0, data.frames.length - 1)
  if (first) player.at = end
  else if (data.frames.length < known) player.at = Math.max(0, data.frames.findIndex((frame) => frame.epoch >= before))
  player.at = Math.min(player.at, end)
  player.range.max = String(end)
  player.canvas.setAttribute("aria-label", data.words)
  root.dataset.frames = String(data.frames.length)
  player.last = performance.now()
  player.play.disabled = data.frames.length < 2
  buttons(player)
  legend(player)
  want(player)
  tick(player)
}

export default function (component) {
  const root = component.parentElement.querySelector(".cell-frames")
  if (!root || !component.data) return
  const player = players.get(root) ?? make(root)
  const data = component.data
  root.classList.toggle("stage", data.stage)
  player.newest = data
  latest(player, data).then(
    (picture) => player.newest === data && show(player, { ...data, ...picture }),
    (error) => console.error(error), // the next update brings all of it
  )
  return player.close
}

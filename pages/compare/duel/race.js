// Two runs on one wall clock: lanes, curves, a clock, and what came of it. Animated here, never by the server.
// Curves are drawn once and uncovered by a clip; per frame only a few attributes change.

const races = new WeakMap()
const FIT = 20 // seconds that a fitted replay takes
const calm = matchMedia("(prefers-reduced-motion: reduce)")

class Race {
  constructor(root) {
    this.root = root
    this.find = (name) => root.querySelector(`.race-${name}`)
    this.clock = 0
    this.mode = "" // live, playing, paused, over
    this.choice = "" // real or fit, once the reader chose
    this.find("play").onclick = () => this.press()
    this.find("full").onclick = () =>
      document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen?.()
    for (const button of root.querySelectorAll(".race-speed button")) {
      button.onclick = () => { this.choice = button.dataset.speed; this.controls() }
    }
    this.find("scrub").oninput = (event) => {
      this.mode = "paused"
      this.clock = (Number(event.target.value) / 1000) * this.end
      if (this.clock >= this.end) this.mode = "over"
      this.frame()
      this.controls()
    }
    this.sized = new ResizeObserver(() => { if (this.data) { this.layout(); this.frame() } })
    this.sized.observe(this.find("chart"))
  }

  close() {
    cancelAnimationFrame(this.ticking)
    this.sized.disconnect()
    races.delete(this.root)
  }

  update(text) {
    if (text === this.text) return
    const first = !this.data
    const wasLive = this.data?.live
    this.text = text
    this.data = JSON.parse(text)
    const { data } = this
    this.root.classList.toggle("stage", data.stage)
    this.root.classList.toggle("dark", data.dark)
    this.end = Math.max(0.001, ...data.racers.map((racer) => racer.total))
    if (data.live) {
      const same = wasLive && data.active === this.active
      // the server's word is a moment old; the clock goes on by itself and is only corrected
      this.clock = same ? Math.max(this.clock, data.clock) : data.clock
      this.active = data.active
      this.heard = performance.now()
      this.mode = "live"
    } else if (first || wasLive) {
      this.mode = first && data.stage ? "paused" : "over"
      this.clock = this.mode === "over" ? this.end : 0
      if (wasLive) write(this.find("quiet"), data.headline.map((part) => part.text).join(""))
    }
    this.build()
    this.layout()
    this.frame()
    this.controls()
    this.go()
  }

  press() {
    if (this.mode === "playing") this.mode = "paused"
    else {
      if (this.mode === "over" || this.clock >= this.end) this.clock = 0
      this.mode = "playing"
    }
    this.controls()
    this.frame()
    this.go()
  }

  get speed() {
    const chosen = this.choice || (this.end >= 8 && this.end <= 30 ? "real" : "fit")
    return { chosen, factor: chosen === "real" ? 1 : this.end / FIT }
  }

  go() {
    cancelAnimationFrame(this.ticking)
    if (this.mode !== "playing" && this.mode !== "live") return
    this.before = performance.now()
    const step = (now) => {
      if (!this.root.isConnected) return
      const passed = Math.max(0, now - this.before) / 1000
      this.before = now
      if (this.mode === "playing") {
        this.clock += passed * this.speed.factor
        if (this.clock >= this.end) {
          this.clock = this.end
          this.mode = "over"
          this.controls()
          write(this.find("quiet"), this.data.headline.map((part) => part.text).join(""))
        }
      } else if (this.mode === "live" && this.data.ticking && now - this.heard < 15000) this.clock += passed
      this.frame()
      if (this.mode === "playing" || this.mode === "live") this.ticking = requestAnimationFrame(step)
    }
    this.ticking = requestAnimationFrame(step)
  }

  controls() {
    const { data, mode } = this
    const live = mode === "live"
    const sign = this.find("sign")
    sign.classList.toggle("live", live)
    write(sign, live ? "Live" : mode === "over" && !data.stage ? "Result" : "Replay")
    this.find("controls").hidden = live && !data.stage
    this.find("play").hidden = this.find("speed").hidden = this.find("scrub").hidden = live || !data.replayable
    write(this.find("play"), mode === "playing" ? "❚❚ Pause" : mode === "paused" && this.clock > 0 ? "▶ Resume" : "▶ Replay")
    this.find("full").hidden = !data.stage || !document.fullscreenEnabled
    const { chosen, factor } = this.speed
    for (const button of this.root.querySelectorAll(".race-speed button")) {
      button.setAttribute("aria-pressed", String(button.dataset.speed === chosen))
    }
    const times = Math.max(factor, 1 / factor)
    const pace = `${times.toFixed(times < 10 ? 1 : 0)} times ${factor > 1 ? "faster" : "slower"} than real time`
    const how = chosen === "real" || Math.abs(factor - 1) < 0.05 ? "in real time" : pace
    write(this.find("about"), live ? data.note : mode === "over" && !data.stage ? data.note : `Recorded times, shown ${how}.`)
    this.root.dataset.mode = mode
  }

  build() {
    const { data } = this
    const lanes = this.find("lanes")
    lanes.replaceChildren()
    this.lanes = data.racers.map((racer) => {
      const lane = make("div", "race-lane", undefined, lanes)
      lane.style.setProperty("--accent", racer.colour)
      lane.style.setProperty("--on-accent", data.dark ? "#0B1317" : "#fff")
      const text = make("div", "race-lane-text", undefined, lane)
      const name = make("div", "race-name", undefined, text)
      make("i", "", undefined, name)
      name.append(racer.name)
      const now = make("div", "race-now", "", text)
      const track = make("div", "race-track", undefined, lane)
      return { now, fill: make("div", "race-fill", undefined, track), time: make("div", "race-time", "", track) }
    })
    this.table()
  }

  // What is said above the lanes: a question while they race, then the answer.
  say() {
    const { data } = this
    const over = this.mode === "over" && data.headline.length > 0
    if (this.said === `${over} ${this.text}`) return
    this.said = `${over} ${this.text}`
    const headline = this.find("headline")
    headline.replaceChildren()
    for (const part of over ? data.headline : [{ text: data.question }]) {
      if (!part.colour) headline.append(part.text)
      else make("b", "", part.text, headline).style.setProperty("--accent", part.colour)
    }
    write(this.find("detail"), over ? data.detail : data.terms)
    const caveats = this.find("caveats")
    caveats.replaceChildren(...data.caveats.map((text) => make("li", "", text)))
    caveats.hidden = !over || !data.caveats.length
    this.find("table").hidden = !over || !data.rows.length
    this.find("result").classList.toggle("over", over)
  }

  table() {
    const { data } = this
    const table = this.find("table")
    table.replaceChildren()
    const head = make("tr", "", undefined, make("thead", "", undefined, table))
    make("td", "", "", head)
    for (const racer of data.racers) make("th", "", racer.name, head).scope = "col"
    const body = make("tbody", "", undefined, table)
    for (const row of data.rows) {
      const line = make("tr", "", undefined, body)
      const title = make("th", "", row.label, line)
      title.scope = "row"
      if (row.note) make("small", "", row.note, title)
      row.values.forEach((value, index) => {
        const cell = make("td", index === row.better ? "better" : "", value, line)
        if (index === row.better) {
          cell.style.setProperty("--accent", data.racers[index].colour)
          if (row.times) make("small", "", row.times, cell)
        }
      })
    }
  }

  layout() {
    this.drawn = drawCurves(this.find("chart"), this.data, this.end) ?? this.drawn
  }

  frame() {
    const { data } = this
    let clock = this.clock
    if (this.mode === "playing" && calm.matches) clock = Math.floor((clock / this.end) * FIT) * (this.end / FIT)
    write(this.find("clock"), seconds(clock))
    data.racers.forEach((racer, index) => {
      const lane = this.lanes[index]
      const at = lastBefore(racer.ends, clock)
      const epoch = at < 0 ? 0 : racer.ends[at][1]
      const over = racer.state === "done" && clock >= racer.total - 1e-6
      const place = racer.state === "done" ? between([[0, 0], ...racer.ends], clock)?.[1] ?? 0 : epoch
      lane.fill.style.transform = `scaleX(${over ? 1 : Math.min(1, place / racer.maxEpochs)})`
      const known = lastBefore(racer.points, clock)
      const value = known < 0 ? "" : ` · loss ${loss(racer.points[known][1])}`
      write(lane.now, racer.state === "waiting" || racer.state === "getting ready" ? racer.said : `epoch ${epoch} of ${racer.maxEpochs}${value}`)
      const first = racer.total <= Math.min(...data.racers.map((other) => other.total)) * 1.001
      write(lane.time, over ? `${data.replayable && first ? "First: " : ""}${seconds(racer.total)}` : "")
      const mark = this.drawn?.marks[index]
      if (!mark) return
      const spot = between(racer.points, Math.min(clock, racer.points.at(-1)?.[0] ?? 0))
      mark.dot.style.display = spot ? "" : "none"
      if (spot) {
        mark.dot.setAttribute("cx", this.drawn.x(spot[0]))
        mark.dot.setAttribute("cy", this.drawn.y(spot[1]))
      }
      if (mark.star) mark.star.style.display = clock >= racer.reached - 1e-9 ? "" : "none"
    })
    if (this.drawn) {
      const { span, uncovered, cursor } = this.drawn
      const x = this.drawn.x(Math.min(clock, span))
      uncovered.setAttribute("width", Math.max(0, x))
      cursor.setAttribute("x1", x)
      cursor.setAttribute("x2", x)
      cursor.style.display = this.mode === "over" ? "none" : ""
    }
    this.find("scrub").value = String(Math.round((clock / this.end) * 1000))
    this.find("scrub").setAttribute("aria-valuetext", seconds(clock))
    this.say()
  }
}

export default function (component) {
  const root = component.parentElement.querySelector(".race")
  if (!root || !component.data) return
  if (!races.has(root)) races.set(root, new Race(root))
  const race = races.get(root)
  race.update(component.data.race)
  return () => race.close()
}

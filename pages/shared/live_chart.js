// A Plotly figure that is updated, never remounted: zoom, hover and legend choices survive.
// Charts are drawn one at a time, each in a task of its own; after the first time only while on the screen, and a
// chart that merely grows as seldom as keeps the browser free for its reader.

const mounted = new WeakMap()
const waiting = new Set()
const REST = 40 // times as long as a drawing took, before the next
const LONGEST_REST = 5000 // milliseconds: on a busy machine too the last epoch is seen soon
let library = null

function loadPlotly(address) {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script")
    script.src = new URL(address, document.baseURI).href
    script.onload = () => resolve(window.Plotly)
    script.onerror = () => {
      library = null
      script.remove()
      reject(new Error("plotly.js did not load"))
    }
    document.head.appendChild(script)
  })
  return library
}

function themed(root, layout) {
  const css = getComputedStyle(root)
  const value = (name, other) => css.getPropertyValue(name).trim() || other
  const text = value("--st-text-color", "#333")
  const page = value("--st-background-color", "#fff")
  const border = value("--st-border-color", "#ccc")
  const faint = value("--st-border-color-light", border)
  const out = {
    ...layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: value("--st-font", "sans-serif"), size: 13, color: text },
    hoverlabel: { bgcolor: page, bordercolor: border, font: { color: text, size: 13 } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: border, activecolor: text, orientation: "v" },
    dragmode: layout.dragmode ?? (matchMedia("(pointer: coarse)").matches ? false : "zoom"),
  }
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis\d*$/.test(name)) {
      out[name] = { gridcolor: faint, linecolor: border, tickcolor: border, ...layout[name] }
    }
  }
  return out
}

const PRINT = Math.round((180 / 25.4) * 96) // 180 mm, the width of a page of a journal, in pixels of the screen

function saver(format, chart) {
  return {
    name: `Save as ${format.toUpperCase()} at print size (180 mm wide)`,
    icon: { width: 24, height: 24, path: format === "svg" ? "M5 20h14v-2H5zM19 9h-4V3H9v6H5l7 7z" : "M21 19V5a2 2 0 0 0-2-2H5a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h14a2 2 0 0 0 2-2zM8.5 13.5l2.5 3 3.5-4.5 4.5 6H5z" },
    click: (plot) => {
      const height = Math.round((PRINT * plot.clientHeight) / plot.clientWidth)
      const layout = { ...plot.layout, autosize: false, width: PRINT, height, paper_bgcolor: plot.layout.hoverlabel.bgcolor }
      const scale = format === "png" ? 300 / 96 : 1 // 300 dots an inch
      const filename = chart.data.name
      window.Plotly.downloadImage({ data: plot.data, layout }, { format, width: PRINT, height, scale, filename })
    },
  }
}

// One object for the life of a chart: Plotly takes a new one for another chart, and forgets the zoom.
function settings(chart) {
  return {
    displaylogo: false,
    ...(matchMedia("(pointer: coarse)").matches ? { displayModeBar: false } : {}), // too small for a thumb
    showSendToCloud: false, // nothing leaves this machine
    plotlyServerURL: "",
    modeBarButtonsToRemove: ["toImage", "select2d", "lasso2d", "autoScale2d", "pan2d", "zoomIn2d", "zoomOut2d"],
    modeBarButtonsToAdd: ["svg", "png"].map((format) => saver(format, chart)),
    edits: { shapePosition: chart.data.draggable },
  }
}

async function draw(chart) {
  const { root, plot, data } = chart
  const look = [data.whole, data.from, data.changes, data.height, JSON.stringify(themed(root, {}))].join()
  if (chart.drawn && chart.look === look) return // nothing new: a redraw of many lines is felt
  const figure = await latest(chart, data)
  const Plotly = await loadPlotly(data.plotly)
  if (!root.isConnected) return
  const started = performance.now()
  await Plotly.react(plot, figure.data, themed(root, figure.layout), chart.settings)
  if (!chart.drawn && data.draggable) plot.on("plotly_relayout", (changes) => dragged(chart, changes))
  chart.drawn = true
  chart.look = look
  chart.rested = performance.now() + Math.min(LONGEST_REST, REST * (performance.now() - started))
  root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1)
  root.dataset.drawMs = (performance.now() - started).toFixed(1)
}

// Where a reader left a line that may be dragged: its number among the shapes, and its height on the axis.
function dragged(chart, changes) {
  for (const [name, height] of Object.entries(changes)) {
    const line = /^shapes\[(\d+)\]\.y0$/.exec(name)
    if (line) chart.component.setTriggerValue("dragged", { line: Number(line[1]), height })
  }
}

// Milliseconds until a chart may be drawn; what its reader asked for is another whole figure, and does not wait.
function due(chart) {
  const grows = chart.drawn && chart.data.from && chart.data.from === chart.from
  return grows ? chart.rested - performance.now() : 0
}

let busy = false
let later = 0
async function drain() {
  if (busy) return
  busy = true
  while (waiting.size) {
    const seen = [...waiting].filter((candidate) => !document.hidden && (candidate.visible || !candidate.drawn))
    const chart = seen.find((candidate) => due(candidate) <= 0)
    if (!chart) {
      clearTimeout(later)
      if (seen.length) later = setTimeout(drain, Math.min(...seen.map(due)))
      break
    }
    waiting.delete(chart)
    await new Promise((next) => setTimeout(next, 0))
    try {
      await draw(chart)
      chart.note.hidden = true
    } catch (error) {
      console.error(error)
      chart.note.hidden = false
    }
  }
  busy = false
}

function part(root, kind, name) {
  const made = Object.assign(document.createElement(kind), { className: `live-chart-${name}` })
  root.append(made)
  return made
}

function mount(root, data) {
  const chart = {
    root,
    data,
    plot: part(root, "div", "plot"),
    note: Object.assign(part(root, "p", "note"), { hidden: true, textContent: "The chart could not be drawn. Reload the page to try again." }),
    visible: false,
    drawn: false,
  }
  chart.settings = settings(chart)
  const seen = new IntersectionObserver((entries) => {
    chart.visible = entries.at(-1).isIntersecting
    drain()
  }, { rootMargin: "200px" })
  seen.observe(root)
  let width = 0
  const sized = new ResizeObserver(() => {
    if (root.clientWidth === width || !chart.plot.layout) return
    width = root.clientWidth
    requestAnimationFrame(() => root.isConnected && chart.plot.layout && window.Plotly.Plots.resize(chart.plot))
  })
  sized.observe(root)
  document.addEventListener("visibilitychange", drain)
  chart.close = () => {
    seen.disconnect()
    sized.disconnect()
    document.removeEventListener("visibilitychange", drain)
    waiting.delete(chart)
    if (chart.plot.layout) window.Plotly.purge(chart.plot)
    mounted.delete(root)
  }
  mounted.set(root, chart)
  return chart
}

export default function (component) {
  const root = component.parentElement.querySelector(".live-chart")
  if (!root || !component.data) return
  const chart = mounted.get(root) ?? mount(root, component.data)
  chart.data = component.data
  chart.component = component
  const { height, around } = component.data
  root.style.height = around ? `max(${height}px, calc(100dvh - ${around}px))` : `${height}px`
  root.setAttribute("aria-label", component.data.words)
  waiting.add(chart)
  drain()
  return chart.close
}

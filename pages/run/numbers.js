// Cards with a label, a value, a note and a sparkline. Built once, then only what changed is written.

const SVG = "http://www.w3.org/2000/svg"
const WIDTH = 100
const HEIGHT = 24

function build() {
  const card = document.createElement("div")
  card.append(...["dt", "dd", "dd"].map((tag) => document.createElement(tag)))
  const drawing = document.createElementNS(SVG, "svg")
  drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`)
  drawing.setAttribute("preserveAspectRatio", "none")
  drawing.setAttribute("aria-hidden", "true")
  drawing.append(document.createElementNS(SVG, "path"), document.createElementNS(SVG, "path"))
  card.append(drawing)
  return card
}

function path(series) {
  const low = Math.min(...series)
  const span = Math.max(...series) - low || 1
  return series.map((value, index) => {
    const x = (index / (series.length - 1)) * WIDTH
    const y = HEIGHT - 2 - ((value - low) / span) * (HEIGHT - 4)
    return `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`
  }).join("")
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}

export default function (component) {
  const list = component.parentElement.querySelector(".numbers")
  if (!list || !component.data) return
  const { cards, accent } = component.data
  list.style.setProperty("--accent", accent)
  while (list.children.length < cards.length) list.append(build())
  while (list.children.length > cards.length) list.lastChild.remove()
  cards.forEach((card, index) => {
    const [label, value, note, drawing] = list.children[index].children
    write(label, card.label)
    write(value, card.value)
    write(note, card.note)
    drawing.toggleAttribute("hidden", card.series.length < 2)
    const line = card.series.length < 2 ? "" : path(card.series)
    drawing.firstChild.setAttribute("d", line && `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`)
    drawing.lastChild.setAttribute("d", line)
  })
}

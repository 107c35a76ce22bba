// Sends a bundle of runs to the server, which says what it took in or why it did not.

export default function (component) {
  const { parentElement, data, setTriggerValue } = component
  const find = (selector) => parentElement.querySelector(selector)
  const [zone, input, button, note] = [".import-zone", "input", "button", ".import-note"].map(find)
  if (!zone) return

  function say(text, wrong = false) {
    note.textContent = text
    note.classList.toggle("wrong", wrong)
  }

  function send(file) {
    if (button.disabled || !file) return
    if (!file.name.toLowerCase().endsWith(".zip")) return say("A bundle of runs is a .zip file exported by scVI Studio.", true)
    button.disabled = true
    say("Sending …")
    const request = new XMLHttpRequest()
    request.open("POST", `${data.url}?name=${encodeURIComponent(file.name)}`)
    request.setRequestHeader(data.header, data.token)
    request.setRequestHeader("Content-Type", "application/octet-stream")
    request.upload.onprogress = (event) => say(`Sending … ${Math.floor((100 * event.loaded) / event.total)} %`)
    request.upload.onload = () => say("Uploaded. The server is checking it …")
    request.onload = () => {
      button.disabled = false
      let answer = {}
      try {
        answer = JSON.parse(request.responseText)
      } catch {}
      if (request.status !== 200) return say(answer.error ?? `The server refused the file (${request.status}).`, true)
      say("")
      setTriggerValue("imported", answer)
    }
    request.onerror = () => {
      button.disabled = false
      say("The server does not respond. Is it still running?", true)
    }
    request.send(file)
  }

  button.onclick = () => {
    input.value = "" // so that the same file can be chosen twice
    input.click()
  }
  input.onchange = () => send(input.files[0])
  zone.ondragover = (event) => {
    event.preventDefault()
    zone.classList.add("over")
  }
  zone.ondragleave = () => zone.classList.remove("over")
  zone.ondrop = (event) => {
    event.preventDefault()
    zone.classList.remove("over")
    send(event.dataTransfer.files[0])
  }
}

// Says in words when a part of the page could not be loaded or sent; htmx alone would leave it silent.
function notice(text) {
  const region = document.getElementById("messages");
  if (!region || [...region.children].some((message) => message.textContent === text)) return;
  const message = document.createElement("div");
  message.className = "message error";
  message.textContent = text;
  region.append(message);
}

document.addEventListener("htmx:sendError", () => {
  notice("The server cannot be reached. What you see may be out of date; try again in a moment.");
});
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 403) notice("Your role does not allow this, or you were signed out. Load the page again.");
  else if (status === 404) notice("This no longer exists. Load the page again.");
  else notice(`The server could not do this (error ${status}). Load the page again to see how things stand.`);
});

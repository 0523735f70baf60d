// The page at `/`: finds somebody within range and lets the two talk.
//
// The client library talks with the server and comes back after a loss. What it tells changes `state`, and every part
// shows what is its own when `render` is called; only the messages of a chat are appended as they come.

import { becameIdle, chatLost, listenChat, partnerLeft, startChat } from "./parts/chat.js";
import { client } from "./parts/client.js";
import { listenComposer } from "./parts/composer.js";
import { $ } from "./parts/dom.js";
import { startForm } from "./parts/form.js";
import { acknowledge, appendSaid, listenLog, partnerName, remark, showMark } from "./parts/log.js";
import { messageCame, newsSeen, somebodyCame, startNews } from "./parts/news.js";
import { startOffline } from "./parts/offline.js";
import { blockedTold, listenSafety, reportedTold } from "./parts/safety.js";
import { render, state } from "./parts/state.js";
import { connectionChanged, goesAway, listenTrouble, refused } from "./parts/trouble.js";
import { listenWaiting, waitingTold } from "./parts/waiting.js";
import { chooseLanguage } from "./parts/words.js";

const handlers = {
  connection: connectionChanged,
  welcome({ limits }) {
    state.limits = limits ?? {};
  },
  waiting: waitingTold,
  matched(chat) {
    startChat(chat);
    somebodyCame();
  },
  said(message) {
    appendSaid(message);
    messageCame();
  },
  message: showMark,
  typing({ on }) {
    if (state.chat) state.chat.isPartnerTyping = on;
  },
  partner_away: () => remark("partnerAway", { who: partnerName() }),
  partner_back: () => remark("partnerBack", { who: partnerName() }),
  gap: () => remark("gap"),
  partner_left: partnerLeft,
  chat_lost: chatLost,
  idle: becameIdle,
  blocked: blockedTold,
  reported: reportedTold,
  going_away: goesAway,
  refused,
};

for (const [type, handler] of Object.entries(handlers)) {
  client.on(type, (detail) => {
    handler(detail);
    render();
  });
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    newsSeen();
    acknowledge();
    client.hurry();
  }
  render();
});

/** Lets the browser do something else in between, so that nothing takes long at once. */
const breathe = () => new Promise((resume) => { setTimeout(resume); });

for (const start of [startForm, listenWaiting, listenLog, listenComposer, listenSafety, listenChat, listenTrouble, startNews]) {
  start();
  await breathe();
}
client.connect();
await chooseLanguage($("language"), render);
await breathe();
render();
startOffline();

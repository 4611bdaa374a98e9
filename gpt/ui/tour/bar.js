// The stops in order: the lesson and the number that an address names.
const places = __PLACES__;
const root = document.documentElement;
const bar = () => element.querySelector('.tour-bar');
const kept = (name, otherwise) => {
  try { return JSON.parse(localStorage.getItem(name)) ?? otherwise; } catch { return otherwise; }
};
const keep = (name, value) => {
  try { localStorage.setItem(name, JSON.stringify(value)); } catch { /* a browser may keep nothing */ }
};
const inFront = () => {
  const tab = document.querySelector('#tabs [role=tab][aria-selected=true]');
  return tab ? tab.dataset.tabId : '';
};
const named = () => {
  const query = new URL(window.location).searchParams;
  const lesson = places.findIndex(([key]) => key === query.get('lesson'));
  const exact = places.findIndex(([key, step]) => key === query.get('lesson') && step === query.get('step'));
  return exact < 0 ? lesson : exact;
};

// A rule instead of a class: what is framed belongs to the page, which writes its classes anew.
const rule = document.head.appendChild(document.createElement('style'));
const frame = (selector, hides) => {
  const rings = 'outline: 3px solid #d4601c; outline-offset: 4px; border-radius: 2px;'
    + 'scroll-margin: 5rem 0 calc(var(--tour-height, 8rem) + 1rem);';
  rule.textContent = (selector && `${selector} { ${rings} } `) + (hides && `:is(${hides}) > * { filter: blur(7px); }`);
};

// What a tab draws comes piece by piece and moves the rest: follow it, until the visitor scrolls or it is quiet.
let following = null;
const follow = (selector) => {
  if (following) following();
  const seen = () => {
    const place = document.querySelector(selector);
    if (!place || place.offsetParent === null || place.offsetHeight === 0) return;
    const room = window.innerHeight - bar().offsetHeight - 100;
    place.scrollIntoView({block: place.offsetHeight > room ? 'start' : 'nearest'});
  };
  const observer = new MutationObserver(seen);
  observer.observe(document.body, {childList: true, subtree: true});
  const sizes = new ResizeObserver(seen);
  sizes.observe(document.body);
  const own = ['wheel', 'touchmove', 'keydown'];
  const stop = () => {
    observer.disconnect();
    sizes.disconnect();
    own.forEach((name) => window.removeEventListener(name, stop));
    clearTimeout(timer);
    following = null;
  };
  const timer = setTimeout(stop, 6000);
  own.forEach((name) => window.addEventListener(name, stop, {passive: true}));
  following = stop;
  seen();
};

const toAddress = (place) => {
  const url = new URL(window.location);
  if (place) ['lesson', 'step'].forEach((name, i) => url.searchParams.set(name, place[i]));
  else ['lesson', 'step'].forEach((name) => url.searchParams.delete(name));
  window.history.replaceState(null, '', url);
};
const isOpen = () => 'tour' in root.dataset;
const wait = () => {
  root.dataset.tour = 'waiting';
  bar().setAttribute('aria-busy', 'true');
};
const go = (index) => {
  if (index < 0 || index >= places.length) return;
  wait();
  trigger('select', {index, value: inFront()});
};
const close = () => {
  delete root.dataset.tour;
  frame('', '');
  if (following) following();
  toAddress(null);
  const opener = document.querySelector('#follow-the-chapter');
  if (opener && opener.offsetParent !== null) opener.focus({preventScroll: true});
};

// A stop has arrived.
let shown = '';
const arrived = () => {
  const now = bar();
  if (!now || !now.dataset.shown || now.dataset.shown === shown) return;
  shown = now.dataset.shown;
  if (!isOpen()) return;
  root.dataset.tour = 'open';
  const index = Number(now.dataset.stop);
  toAddress(places[index]);
  keep('tour-at', index);
  const seen = new Set(kept('tour-seen', [])).add(places[index].join(' '));
  keep('tour-seen', [...seen]);
  now.querySelectorAll('.tour-lesson option').forEach((option) => {
    const [lesson] = places[option.value];
    const all = places.filter(([key]) => key === lesson).every((place) => seen.has(place.join(' ')));
    if (all && !option.textContent.endsWith(' ✓')) option.textContent += ' ✓';
  });
  frame(now.dataset.frame, now.dataset.hides);
  follow(now.dataset.frame);
  now.querySelector('.tour-said').focus({preventScroll: true});
};
new MutationObserver(arrived).observe(element, {
  childList: true, subtree: true, attributes: true, attributeFilter: ['data-shown']});
new ResizeObserver(() => root.style.setProperty('--tour-height', `${element.offsetHeight}px`)).observe(element);

const answer = (choice) => {
  const choices = choice.parentElement;
  const right = choice.dataset.choice === choices.dataset.right;
  choices.querySelectorAll('button').forEach((button) => {
    button.disabled = true;
    button.classList.toggle('right', button.dataset.choice === choices.dataset.right);
  });
  choice.classList.add('chosen');
  const said = element.querySelector('.tour-answer');
  said.textContent = `${right ? 'Right.' : 'Not quite.'} ${choices.dataset.answer}`;
  element.querySelector('.tour-said').focus({preventScroll: true});
  said.scrollIntoView({block: 'nearest'});
  frame(bar().dataset.frame, '');
  follow(bar().dataset.frame);
};
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.matches('.tour-close')) close();
  else if (button.dataset.to !== undefined) go(Number(button.dataset.to));
  else if (button.dataset.choice !== undefined) answer(button);
  else if ('ask' in button.dataset) { button.disabled = true; trigger('submit', {}); }
});
element.addEventListener('change', (event) => {
  if (event.target.matches('.tour-lesson')) go(Number(event.target.value));
});
document.addEventListener('click', (event) => {
  if (event.target.closest && event.target.closest('#follow-the-chapter')) go(kept('tour-at', 0));
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && isOpen() && !event.defaultPrevented) close();
});
// The page itself opens on the stop that its address names, and its first run brings the bar.
if (named() >= 0) wait();

// What a visitor sees of the page: what can be set on it, what it shows, and whether answers are still on their way.
// It knows no control of ours by name: what can be set is found by what it is.
(() => {
  // A page that has asked has not all it will show. Each question gets an id, and its last answer carries that.
  const asked = new Set(), answered = new Set();
  let sending = 0;
  const send = window.fetch.bind(window), parse = JSON.parse;
  window.fetch = async (...given) => {
    sending += 1;
    try {
      const answer = await send(...given);
      if (answer.url.includes('/queue/join')) asked.add((await answer.clone().json()).event_id);
      return answer;
    } finally {
      sending -= 1;
    }
  };
  JSON.parse = (...given) => {
    const told = parse(...given);
    if (told?.msg === 'process_completed' || told?.msg === 'unexpected_error') answered.add(told.event_id);
    return told;
  };
  const isWaiting = () => sending > 0 || [...asked].some((id) => !answered.has(id));
  const settled = async (quietLooks, mostSeconds) => {
    const limit = performance.now() + 1000 * mostSeconds;
    for (let quiet = 0; quiet < quietLooks; quiet = isWaiting() ? 0 : quiet + 1) {
      if (performance.now() > limit) throw new Error(`answers never came: ${[...asked].filter((id) => !answered.has(id))}`);
      await new Promise((resolve) => setTimeout(resolve, 60));
      await new Promise((resolve) => requestIdleCallback(resolve, {timeout: 5000})); // what it works at may be a question
    }
  };

  const isShown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
  const all = (selector, within) => [...within.querySelectorAll(selector)].filter(isShown);
  const front = () => all('[role=tabpanel]', document).find((panel) => !panel.parentElement.closest('[role=tabpanel]'));

  const PICKED = '[data-index], .cells [data-row]'; // buttons that we draw: a click on one chooses it
  const LIST = '[role=listbox], [role=combobox], [aria-haspopup=listbox]';
  const CONTROLS = `input, textarea, select, [contenteditable=true], [role=tablist], ${PICKED}`;
  const kindOf = (drawn) => drawn.getAttribute('class').split(' ')[0];
  const alike = (block, part) => all(PICKED, block).filter((each) => kindOf(each) === part);
  const isPicked = (drawn) => drawn.getAttribute('aria-pressed') === 'true' ||
    drawn.matches('.selected, .chosen, .shown, .candidate-row.chosen *');
  const placeOf = (drawn) => drawn.dataset.index ?? `${drawn.dataset.row}.${drawn.dataset.column}`;
  const words = (element) => element.textContent.trim();
  const oneOf = (kind, each, isChosen, name) =>
    ({kind, value: each.filter(isChosen).map(name)[0] ?? null, options: each.map(name)});

  const described = (element, block) => {
    const type = element.type, range = block.querySelector('input[type=range]');
    if (element.matches('[role=tablist]'))
      return oneOf('tabs', all('[role=tab]', element), (tab) => tab.ariaSelected === 'true', words);
    if (element.matches(PICKED)) {
      const part = kindOf(element);
      return {...oneOf('picks', alike(block, part), isPicked, placeOf), part};
    }
    if (type === 'radio')
      return oneOf('radio', all('input[type=radio]', block), (each) => each.checked, (each) => words(each.closest('label')));
    if (type === 'checkbox') return {kind: 'checkbox', value: element.checked, part: words(element.closest('label'))};
    if (range) {
      const [value, most, step] = [range.value, range.max, range.step].map(Number);
      return {kind: 'slider', value, most, step};
    }
    if (type === 'number') return {kind: 'number', value: element.value};
    if (element.matches(LIST)) return {kind: 'dropdown', value: element.value};
    if (element.matches('textarea, input[type=text], input:not([type])')) return {kind: 'text', value: element.value};
    return {kind: `${element.tagName} ${type}`, value: null};
  };
  const controls = (within) => {
    const found = new Map();
    for (const element of all(CONTROLS, within)) {
      if (element.disabled || element.readOnly || element.closest('fieldset[disabled], .js-plotly-plot')) continue;
      const block = element.closest('.block[id], .tabs[id]') ?? element.closest('[id]');
      const control = {id: block.id, ...described(element, block)};
      const key = [control.id, control.kind, control.part].filter(Boolean).join(' ');
      if (!found.has(key)) found.set(key, {key, ...control});
    }
    return [...found.values()];
  };

  const digest = (text) => [...text].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) | 0, 7);
  window.visitor = {
    settled,
    controls: () => controls(front()),
    controlsOutside: () => {
      const within = new Set(controls(front()).map(({key}) => key));
      return controls(document.body).filter(({key}) => !within.has(key));
    },
    // One that is gone meanwhile cannot be picked: on the map, the heads are there only in the box that was picked.
    pick: (id, part, place) => alike(document.getElementById(id), part).find((each) => placeOf(each) === place)
      ?.dispatchEvent(new MouseEvent('click', {bubbles: true})),
    unfold: () => {
      front().querySelectorAll('details').forEach((fold) => { fold.open = true; });
      const folds = all('button.label-wrap:not(.open)', front());
      folds.forEach((fold) => fold.click());
      return folds.length;
    },
    refusals: () => all('.problem', front()).length,
    // All words in view, and what the figures are drawn of. Times that were measured are another's every time.
    // Beside a refusal stand the figures of the settings before, which no address holds: then only its words count.
    shown: () => {
      const refusals = all('.problem', front());
      if (refusals.length) return refusals.map(words);
      const measured = all('.measured', document);
      measured.forEach((each) => { each.style.display = 'none'; });
      const lines = front().innerText.split('\n').map((line) => line.trim()).filter(Boolean);
      measured.forEach((each) => { each.style.display = ''; });
      const figures = all('.js-plotly-plot', front());
      return [...lines, ...figures.map((each) => `${each.closest('[id]').id} draws ${digest(JSON.stringify(each.data))}`)];
    },
  };
})();

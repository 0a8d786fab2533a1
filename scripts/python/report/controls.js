'use strict';
/* The tool bar of the views, the list of structures and the legend of the DVH. */
SP.wireControls = function (state, redraw, redrawDvh) {
	const by = id => document.getElementById(id);
	const box = (id, key) => by(id).addEventListener('change', e => { state[key] = e.target.checked; redraw(); });
	box('show-wash', 'wash');
	box('show-lines', 'lines');
	box('show-contours', 'contours');
	box('show-cross', 'cross');
	by('opacity').addEventListener('input', e => { state.opacity = e.target.value / 100; redraw(); });
	by('threshold').addEventListener('input', e => {
		state.threshold = +e.target.value;
		by('threshold-value').textContent = e.target.value + ' %';
		redraw();
	});
	for (const name of Object.keys(SP.windows))
		by('window').append(new Option(name));
	by('window').addEventListener('change', e => { state.window = e.target.value; redraw(); });
	by('field').addEventListener('change', e => {
		state.field = e.target.value === 'target' ? SP.data.target_field : null;
		redraw();
	});
	if (!SP.data.target_field)
		by('field').closest('label').hidden = true;

	const toggle = (parent, colour, text, on, change) => {
		const label = document.createElement('label'), input = document.createElement('input'), chip = document.createElement('i'),
			name = document.createElement('span');
		label.className = 'toggle';
		input.type = 'checkbox';
		input.checked = on;
		chip.style.background = colour;
		name.textContent = text;
		input.addEventListener('change', () => change(input.checked));
		label.append(input, chip, name);
		parent.append(label);
		return input;
	};
	const member = (set, value, draw) => on => { set[on ? 'add' : 'delete'](value); draw(); };
	for (const [percent, colour] of SP.isodoses)
		toggle(by('levels'), colour, percent + ' % · ' + (percent / 100 * SP.data.reference_gy).toFixed(1) + ' Gy',
			state.levels.has(percent), member(state.levels, percent, redraw));
	const lists = [
		['structures', SP.data.structures, state.shown, redraw],
		['dvh-legend', SP.data.dvh, state.curves, redrawDvh],
	];
	for (const [id, items, set, draw] of lists) {
		const inputs = items.map(s => toggle(by(id), `rgb(${s.colour})`, s.name, set.has(s.name), member(set, s.name, draw)));
		for (const button of document.querySelectorAll(`[data-list=${id}]`))
			button.addEventListener('click', () => {
				items.forEach((s, i) => {
					inputs[i].checked = button.dataset.set === 'all' || button.dataset.set === 'usual' && s.shown;
					set[inputs[i].checked ? 'add' : 'delete'](s.name);
				});
				draw();
			});
	}
};

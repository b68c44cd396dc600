// The widget: what the kernel sends becomes events of the stepper, and its requests go back.

function toImage(bytes, [channels, height, width]) {
  const image = new ImageData(width, height);
  const size = width * height;
  for (let i = 0; i < size; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = bytes[(c % channels) * size + i];
    image.data[4 * i + 3] = 255;
  }
  return image;
}

function unpack(event, buffers) {
  const sizes = event.sizes ?? [];
  const images = sizes.map((shape, i) => {
    const {buffer, byteOffset, byteLength} = buffers[i];
    return toImage(new Uint8Array(buffer, byteOffset, byteLength), shape);
  });
  if (event.event === 'request') return {...event, noise: images[0]};
  if (event.event === 'models') {
    return {...event, context: event.context.map((name, i) => ({name, picture: images[i]}))};
  }
  return {...event, pictures: images};
}

function render({model, el}) {
  const root = document.createElement('div');
  el.append(root);
  let patience = null;                               // ends when the kernel has not answered
  const view = stepper(root, {live: true, ...model.get('options')}, request => send(request.hello ? request : {request}));

  function send(message) {
    clearTimeout(patience);
    patience = setTimeout(view.unanswered, 10_000);
    try {
      model.send(message);
    } catch {
      view.unanswered();
    }
  }

  function onMessage(event, buffers) {
    clearTimeout(patience);
    view.receive(unpack(event, buffers));
  }

  model.on('msg:custom', onMessage);
  send({hello: true});
  return () => {
    clearTimeout(patience);
    model.off('msg:custom', onMessage);
  };
}

export default {render};

#!/usr/bin/env python3
"""Writes test/golden/ops.txt: what JAX and optax say of single ops, in double.

Made with jax 0.10.2, optax 0.2.8 and numpy 2.4.6:
  pip install jax==0.10.2 optax==0.2.8 numpy==2.4.6 && python tool/goldens/ops.py > test/golden/ops.txt
Each case is words parted by white space:
  op NAME  params K (FIELD VALUE)*  operands N OPERAND*  outputs M OPERAND*
  OPERAND: - (absent), f RANK EXTENT* NUMBER*, or i RANK EXTENT* ID*
"""
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
import optax

rng = np.random.default_rng(7)
ACTS = {1: jax.nn.relu, 3: jax.nn.silu, 4: lambda x: jax.nn.gelu(x, approximate=False),
        5: lambda x: jax.nn.gelu(x, approximate=True), 6: jax.nn.sigmoid, 7: jnp.tanh}


def draw(*shape, low=-2.0, high=2.0):
    return np.round(rng.uniform(low, high, shape), 4)


def operand(a):
    if a is None:
        return "-"
    a = np.asarray(a)
    ids = np.issubdtype(a.dtype, np.integer)
    shape = " ".join(map(str, (a.ndim,) + a.shape))
    return f"{'i' if ids else 'f'} {shape} " + " ".join(str(x) if ids else repr(float(x)) for x in a.ravel())


def case(op, params, operands, outputs):
    print(f"op {op} params {len(params)}", *[f"{k} {v}" for k, v in params.items()])
    for word, some in (("operands", operands), ("outputs", outputs)):
        print(word, len(some))
        for a in some:
            print(" ", operand(a))


def back(f, args, dy):
    return jax.vjp(f, *args)[1](dy)


for name, f in dict(gelu=ACTS[4], gelu_tanh=ACTS[5], silu=jax.nn.silu, softplus=jax.nn.softplus,
                    sigmoid=jax.nn.sigmoid, erf=jax.scipy.special.erf, rsqrt=lambda x: jax.lax.rsqrt(jnp.abs(x)),
                    relu2=lambda x: jax.nn.relu(x) ** 2, softmax=jax.nn.softmax,
                    log_softmax=jax.nn.log_softmax).items():
    x = np.concatenate([draw(2, 9), [[-40, 40, -700, 700, 0, 1e-9, -1e-9, 5, -5]]])
    if name == "rsqrt":
        x = np.abs(x) + 0.1
    case(name, {}, [x], [f(x)])


def layer_norm(x, w, b):
    return jax.nn.standardize(x, axis=-1, epsilon=1e-3) * w + b


def rms_norm(x, w):
    return x / jnp.linalg.norm(jnp.concatenate([x / 3.0, jnp.full(x.shape[:-1] + (1,), 1e-3 ** 0.5)], -1),
                               axis=-1, keepdims=True) * w


x, w, b, dy = draw(2, 3, 9), draw(9), draw(9), draw(2, 3, 9)
case("layer_norm", dict(eps=1e-3), [x, w, b], [layer_norm(x, w, b)])
case("layer_norm_bwd", dict(eps=1e-3), [x, w, dy], back(layer_norm, (x, w, b), dy))
case("rms_norm", dict(eps=1e-3), [x, w], [rms_norm(x, w)])
case("rms_norm_bwd", dict(eps=1e-3), [x, w, dy], back(rms_norm, (x, w), dy))

for act, f in ACTS.items():
    gate, up, dy = draw(3, 5), draw(3, 5), draw(3, 5)
    case("gated_mlp", dict(act=act), [gate, up], [f(gate) * up])
    case("gated_mlp_bwd", dict(act=act), [gate, up, dy], back(lambda a, b: f(a) * b, (gate, up), dy))
    a, k, bias, r = draw(3, 4), draw(5, 4), draw(5), draw(3, 5)
    case("matmul", dict(trans_b=1, act=act), [a, k, bias, r], [f(jnp.einsum("mk,nk->mn", a, k) + bias) + r])

z, logits, targets = 1e-2, draw(5, 7, low=-4, high=4), np.array([3, -1, 0, 6, 2])
weights, dloss, dlse = draw(5, low=0), draw(5), draw(5)


def cross_entropy(x):
    nll = optax.softmax_cross_entropy_with_integer_labels(x, np.maximum(targets, 0))
    lse = jax.nn.logsumexp(x, axis=-1)
    return jnp.where(targets >= 0, weights * (nll + z * lse ** 2), 0), lse


loss, lse = cross_entropy(logits)
case("cross_entropy", dict(z=z), [logits, targets, weights], [loss, lse])
case("cross_entropy_bwd", dict(z=z), [logits, targets, weights, lse, dloss, dlse],
     back(cross_entropy, (logits,), (dloss, dlse)))

x, positions, frequencies = draw(3, 16), np.array([0, 5, 77]), np.array([1.0, 0.1, 0.01])
angle = positions[:, None] * frequencies
for interleaved in (0, 1):
    # As complex numbers: a turn is a product with exp(i angle).
    heads = x.reshape(3, 2, 8).copy()
    turned = heads[..., :6]
    pairs = turned.reshape(3, 2, 3, 2) if interleaved else np.swapaxes(turned.reshape(3, 2, 2, 3), 2, 3)
    c = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle)[:, None, :] * 1.5
    pairs = np.stack([c.real, c.imag], -1)
    heads[..., :6] = (pairs if interleaved else np.swapaxes(pairs, 2, 3)).reshape(3, 2, 6)
    case("rope", dict(head=8, rotary=6, interleaved=interleaved, scale=1.5), [x, positions, frequencies],
         [heads.reshape(3, 16)])

x = np.array([[1.0, 3, 3, -2, 3, 0], [0, 0, 0, 0, 0, 0], [5, 4, 3, 2, 1, 6]])
case("topk", dict(k=4), [x], jax.lax.top_k(x, 4))
case("cumsum", dict(axis=1, reverse=1), [x], [jax.lax.cumsum(x, axis=1, reverse=True)])
ids = np.array([[0, 5], [1, 1], [2, 3]])
case("take", {}, [x, ids], [jnp.take_along_axis(x, ids, 1)])
rows = draw(4, 6)
case("scatter_add", {}, [rows, np.array([2, 0, 2, 1]), x], [jnp.zeros((3, 6)).at[np.array([2, 0, 2, 1])].add(rows)])

w, m, v, g, lr = draw(6), draw(6), draw(6, low=0.01), draw(6), 1e-2
adam = optax.adamw(lr, b1=0.9, b2=0.95, eps=1e-8, weight_decay=0.1)
state = adam.init(jnp.asarray(w))
state = (state[0]._replace(count=jnp.asarray(4), mu=jnp.asarray(m), nu=jnp.asarray(v)),) + state[1:]
update, after = adam.update(jnp.asarray(g * 0.5), state, jnp.asarray(w))
case("adamw", dict(beta1=0.9, beta2=0.95, eps=1e-8, decay=0.1), [w, m, v, g, np.float64(lr), np.array(5), np.float64(0.5)],
     [w + update, after[0].mu, after[0].nu])
for nesterov in (0, 1):
    trace = optax.trace(decay=0.9, nesterov=bool(nesterov))
    step, after = trace.update(jnp.asarray(g), trace.init(jnp.asarray(w))._replace(trace=jnp.asarray(m)))
    case("momentum", dict(mu=0.9, nesterov=nesterov), [w, m, g, np.float64(lr), None], [w - lr * step, after.trace])

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from serendip.errors import InputError, TooFewEventsError
from serendip.nets.training import DivergedError, Training, train

COMPILED: list[str] = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: COMPILED.append(name))

STEPS = 8  # of an epoch of `EVENTS` without held-out events
EVENTS = np.zeros(8 * 16)
LONE = Training(batch=16, validation=0.0, patience=0, learning_rate=0.01)


class Line(eqx.Module):
    slope: jax.Array
    offset: jax.Array


class Point(eqx.Module):
    at: jax.Array


def line(scale=0.0):
    return Line(jnp.full((2, 1), scale), jnp.full(1, scale))


def point(*at):
    return Point(jnp.array(at[0] if len(at) == 1 else at, jnp.float32))


def squared_error(model, x, y, *, key):
    return ((x @ model.slope + model.offset)[:, 0] - y) ** 2


def downhill(model, x, *, key):
    """Its gradient is 1 everywhere, so that a step of Adam is the learning rate."""
    return model.at - x


def bowl(model, x, *, key):
    return model.at**2 + x


def nan_below_zero(model, x, *, key):
    return jnp.sqrt(model.at) + x


def flat(model, x, *, key):
    return x + 0 * (model.slope.sum() + model.offset.sum())


def draw(n=600, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, x @ [1.0, -2.0] + 0.5 + 0.1 * rng.normal(size=n)


def run(n=600, seed=0, members=None, w=None, **settings):
    model = line() if members is None else eqx.filter_vmap(lambda _: line())(jnp.arange(members))
    settings = Training(**({"batch": 32, "epochs": 4, "learning_rate": 0.03} | settings))
    return train(model, squared_error, draw(n), w=w, settings=settings, seed=seed, members=members)


def arrays(trained):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(trained.model)] + [trained.validation_loss]


def same(one, other):
    return all(map(np.array_equal, arrays(one), arrays(other)))


def test_signed_weights_give_weighted_least_squares():
    x, y = draw()
    wrong = np.random.default_rng(1).normal(size=200) + 3
    x, y = np.concatenate([x, x[:200], x[:200]]), np.concatenate([y, wrong, wrong])
    w = np.concatenate([np.ones(600), np.ones(200), -np.ones(200)])
    w[:300] = 3.0
    design = np.column_stack([x, np.ones(len(x))])
    expected = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * y))
    settings = Training(batch=1000, epochs=400, learning_rate=0.03, validation=0.0, patience=0, schedule="cosine")
    model = train(line(), squared_error, (x, y), w=w, settings=settings).model
    np.testing.assert_allclose([*model.slope[:, 0], model.offset[0]], expected, atol=2e-3)


def test_a_model_does_not_run_away_where_only_negative_weights_are():
    def miss(model, x, y, *, key):
        return (model.at[x] - y) ** 2

    rng = np.random.default_rng(0)
    steep = Training(patience=0, learning_rate=0.1, epochs=200)
    place, y = np.repeat([0, 1], [900, 100]), rng.normal(size=1000)
    trained = train(point(0.0, 0.0), miss, (place, y), w=np.where(place, -1.0, 1.0), settings=steep)
    plain = train(point(0.0, 0.0), miss, (place[:900], y[:900]), settings=steep)
    assert abs(trained.model.at[1]) < 10  # 60 at the pace of the first steps
    assert trained.model.at[0] == pytest.approx(float(plain.model.at[0]), abs=0.05)
    assert np.abs(trained.validation_loss).max() < 10


def test_same_seed_same_bits():
    assert same(run(), run())
    assert not same(run(), run(seed=1))


def test_members_do_not_know_of_each_other():
    few, many = run(members=2), run(members=4)
    np.testing.assert_allclose(few.model.slope, many.model.slope[:2], rtol=1e-4)
    assert not np.allclose(many.model.slope[0], many.model.slope[1], rtol=1e-4)


def test_each_member_may_have_weights_of_its_own():
    w = np.ones((2, 600))
    w[1, draw()[1] > 0] = 0.0
    ensemble = run(members=2, w=w, epochs=10)
    assert ensemble.model.offset[0, 0] - ensemble.model.offset[1, 0] > 0.2


def test_samples_of_other_size_do_not_compile_anew():
    run(1500, members=3)
    COMPILED.clear()
    run(1999, members=3)
    run(1100, members=3, learning_rate=0.01, epochs=5, clip=1.0, weight_decay=0.1)
    assert COMPILED == []
    run(2100, members=3)
    assert COMPILED != []


def test_the_best_epochs_are_averaged():
    trained = train(point(0.0), downhill, (EVENTS,), settings=Training(**(vars(LONE) | {"epochs": 5, "best": 3})))
    assert trained.best_epochs.tolist() == [5, 4, 3]
    assert trained.model.at == pytest.approx(-0.01 * STEPS * 4, rel=1e-4)


def test_a_member_stops_on_its_own():
    settings = Training(batch=16, epochs=6, patience=2, learning_rate=0.01)
    trained = train(point(0.0, 5.0), bowl, (EVENTS,), settings=settings, members=2)
    assert np.isfinite(trained.validation_loss).sum(axis=1).tolist() == [3, 6]
    assert trained.best_epochs.tolist() == [[1], [6]]
    assert trained.model.at[0] == 0.0


def test_an_ensemble_ends_when_all_have_stopped():
    settings = Training(batch=16, epochs=50, patience=2)
    assert train(point(0.0, 0.0), bowl, (EVENTS,), settings=settings, members=2).validation_loss.shape == (2, 3)


@pytest.mark.parametrize(("schedule", "mean"), [("constant", 1.0), ("cosine", 0.5), ("one_cycle", 0.506)])
def test_learning_rate_follows_its_schedule(schedule, mean):
    settings = Training(**(vars(LONE) | {"epochs": 20, "schedule": schedule}))
    trained = train(point(0.0), downhill, (EVENTS,), settings=settings)
    assert trained.model.at == pytest.approx(-0.01 * mean * STEPS * 20, rel=0.01)


def test_clipping_bounds_the_gradient():
    # Adam divides by the gradient's size + 1e-8, so that only a gradient far below that is seen in its steps.
    clipped = train(point(0.0), downhill, (EVENTS,), settings=Training(**(vars(LONE) | {"epochs": 1, "clip": 1e-10})))
    assert clipped.model.at == pytest.approx(-0.01 * STEPS / 101, rel=0.01)


def test_decay_shrinks_matrices_alone():
    settings = Training(**(vars(LONE) | {"epochs": 1, "weight_decay": 2.0}))
    model = train(line(1.0), flat, (EVENTS,), settings=settings).model
    np.testing.assert_allclose(model.slope, (1 - 0.02) ** STEPS, rtol=1e-5)
    assert model.offset[0] == 1.0


def test_dropout_is_off_in_validation():
    class Dropping(eqx.Module):
        scale: jax.Array
        drop: eqx.nn.Dropout

    def loss(model, x, *, key):
        return model.drop(x, key=key) + 0 * model.scale

    trained = train(Dropping(jnp.ones(()), eqx.nn.Dropout(0.5)), loss, (np.ones(500),), settings=Training(epochs=1))
    assert trained.validation_loss[0] == 1.0
    assert abs(trained.training_loss[0] - 1.0) > 1e-3


@pytest.mark.parametrize("members", [None, 2])
def test_a_diverging_loss_names_the_epoch_and_keeps_the_last_good_state(members):
    start = point(0.2) if members is None else point(0.2, 50.0)
    with pytest.raises(DivergedError, match=r"nan in training.* in epoch 3") as caught:
        train(start, nan_below_zero, (EVENTS,), settings=LONE, members=members)
    assert caught.value.epoch == 3
    assert np.ravel(caught.value.model.at)[0] == pytest.approx(0.2 - 2 * STEPS * 0.01, abs=0.01)


def test_a_loss_that_is_nan_from_the_start_keeps_the_start():
    with pytest.raises(DivergedError, match="epoch 1") as caught:
        train(point(-1.0), nan_below_zero, (EVENTS,), settings=LONE)
    assert caught.value.model.at == -1.0


@pytest.mark.parametrize("members", [None, 3])
def test_a_killed_training_goes_on_with_the_same_bits(tmp_path, members):
    model = line() if members is None else eqx.filter_vmap(lambda _: line())(jnp.arange(members))
    path, settings = tmp_path / "line.npz", Training(batch=32, epochs=5, best=2)

    def stop_after_three(epoch, *_):
        if epoch == 3:
            raise KeyboardInterrupt

    def again(**more):
        return train(model, squared_error, draw(), settings=settings, members=members, **more)

    with pytest.raises(KeyboardInterrupt):
        again(checkpoint=path, progress=stop_after_three)
    epochs = []
    resumed = again(checkpoint=path, progress=lambda epoch, *_: epochs.append(epoch))
    assert epochs == [4, 5]
    assert same(resumed, again())
    assert same(again(checkpoint=path), resumed)
    with pytest.raises(InputError, match="checkpoint of another training"):
        again(checkpoint=path, seed=1)


def test_progress_sees_every_epoch():
    seen = []
    trained = train(
        point(0.0), downhill, (EVENTS,), settings=Training(epochs=3), progress=lambda *args: seen.append(args)
    )
    assert [epoch for epoch, *_ in seen] == [1, 2, 3]
    assert [float(loss) for *_, loss in seen] == trained.validation_loss.tolist()


def test_fewer_events_than_a_batch_are_repeated():
    trained = run(20, epochs=150, batch=256, validation=0.0)
    assert trained.training_loss[-1] < 0.05


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (np.ones(3), r"shape \(3,\), but expected \(600,\)"),
        (np.where(np.arange(600) % 2 == 0, 1.0, -1.0), "weights that cancel"),
        (np.full(600, np.nan), "600 NaN or infinite weights"),
    ],
)
def test_names_what_is_wrong_with_weights(w, message):
    with pytest.raises(InputError, match=message):
        run(w=w)


def test_names_what_is_wrong_with_the_data():
    x, y = draw(50)
    with pytest.raises(InputError, match="NaN or infinite values"):
        train(line(), squared_error, (np.where(x > 1, np.nan, x), y))
    with pytest.raises(InputError, match=r"arrays of \[50, 49\] events"):
        train(line(), squared_error, (x, y[1:]))
    with pytest.raises(TooFewEventsError, match="training sample"):
        train(line(), squared_error, (x[:1], y[:1]))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("batch", 0), ("learning_rate", 0.0), ("validation", 1.0), ("schedule", "linear"), ("clip", -1.0)],
)
def test_names_the_setting_that_is_wrong(setting, value):
    with pytest.raises(InputError, match=f"{setting}: Got {value}"):
        Training(**{setting: value})

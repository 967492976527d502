// nbody: moves the sun and its four largest planets, in 64-bit floats.
//
// Out: stdout  where the sun is at the end, in millionths

#include <math.h>
#include <stdio.h>

enum { BODIES = 5, STEPS = 3000000 };

typedef struct {
    double x, y, z, vx, vy, vz, mass;
} Body;

// In astronomical units, days times 365.24, and masses of the sun times 4 pi squared.
static Body bodies[BODIES] = {
    {0, 0, 0, 0, 0, 0, 39.47841760435743},
    {4.841431, -1.160320, -0.103622, 0.606326, 2.811987, -0.025218, 0.037694},
    {8.343367, 4.124799, -0.403523, -1.010774, 1.825662, 0.008416, 0.011286},
    {12.894370, -15.111151, -0.223308, 1.082791, 0.868713, -0.010833, 0.001724},
    {15.379697, -25.919315, 0.179259, 0.979091, 0.594699, -0.034756, 0.002034},
};

static void step(double dt) {
    for (int i = 0; i < BODIES; i++) {
        Body *a = bodies + i;
        for (int j = i + 1; j < BODIES; j++) {
            Body *b = bodies + j;
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = dt / (square * sqrt(square));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

int main(void) {
    for (int i = 0; i < STEPS; i++) step(0.001);
    printf("%lld\n", (long long)(bodies[0].x * 1e6));
    return 0;
}

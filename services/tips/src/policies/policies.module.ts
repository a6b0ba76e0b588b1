import { Module } from '@nestjs/common';
import { PoliciesController } from './policies.controller.js';

/** Priors and judgements; it needs nothing of the tips. */
@Module({ controllers: [PoliciesController] })
export class PoliciesModule {}
